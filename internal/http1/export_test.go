package http1

// Reasons is all that is refused.
func Reasons() []*Refusal {
	return []*Refusal{
		isTLS, bareCR, bareLF, tooManyBlanks, badPreface, heldTooMuch,
		badRequestLine, badMethod, badVersion, otherVersion, badOctet, fragment, badPercent, badAsterisk, badScheme, badAuthority, badConnect,
		folded, noColon, blankColon, badName, badValue, noHost, severalHost, emptyHost, badHost,
		badLength, severalLength, bothFramings, oldChunked, badCoding, otherCoding, badExpect,
		badChunkSize, hugeChunk, badExtension, noChunkEnd, badTrailer,
		longRequestLine, longHeaderLine, longHeader, manyHeaders, longTrailerLine, longTrailer, manyTrailers, longChunkLine, longExtensions, largeBody,
	}
}
