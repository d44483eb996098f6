package static

import (
	"mime"
	"path"
	"strings"
)

// binary is the type of what is not known: nothing that a browser would run or show.
var binary = []string{"application/octet-stream"}

// typeOf is a file's content type, by its extension alone: what is in it is not looked
// at, nor is it by browsers, who are told so.
func (f *Files) typeOf(name string) []string {
	ext := strings.ToLower(path.Ext(name))
	if kind, ok := f.o.Types[ext]; ok {
		return []string{kind}
	}
	if kind, ok := types[ext]; ok {
		return []string{kind}
	}
	return binary
}

// isType says whether s may be a content type.
func isType(s string) bool {
	kind, _, err := mime.ParseMediaType(s)
	return err == nil && strings.Count(kind, "/") == 1 && !strings.ContainsAny(s, "\r\n")
}

// types are those of the web's files. Text is UTF-8; JSON and XML say themselves what
// they are in.
var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".csv":  "text/csv; charset=utf-8",
	".htm":  "text/html; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".ics":  "text/calendar; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".md":   "text/markdown; charset=utf-8",
	".mjs":  "text/javascript; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
	".vtt":  "text/vtt; charset=utf-8",

	".atom":        "application/atom+xml",
	".json":        "application/json",
	".jsonld":      "application/ld+json",
	".map":         "application/json",
	".pdf":         "application/pdf",
	".rss":         "application/rss+xml",
	".wasm":        "application/wasm",
	".webmanifest": "application/manifest+json",
	".xml":         "application/xml",

	".br":  "application/octet-stream",
	".gz":  "application/gzip",
	".tar": "application/x-tar",
	".zip": "application/zip",
	".zst": "application/zstd",

	".eot":   "application/vnd.ms-fontobject",
	".otf":   "font/otf",
	".ttf":   "font/ttf",
	".woff":  "font/woff",
	".woff2": "font/woff2",

	".apng": "image/apng",
	".avif": "image/avif",
	".bmp":  "image/bmp",
	".gif":  "image/gif",
	".ico":  "image/x-icon",
	".jpeg": "image/jpeg",
	".jpg":  "image/jpeg",
	".png":  "image/png",
	".svg":  "image/svg+xml",
	".webp": "image/webp",

	".aac":  "audio/aac",
	".flac": "audio/flac",
	".m4a":  "audio/mp4",
	".mp3":  "audio/mpeg",
	".mp4":  "video/mp4",
	".oga":  "audio/ogg",
	".ogg":  "audio/ogg",
	".ogv":  "video/ogg",
	".opus": "audio/ogg",
	".wav":  "audio/wav",
	".weba": "audio/webm",
	".webm": "video/webm",
}
