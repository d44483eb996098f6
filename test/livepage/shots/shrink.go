package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"slices"
)

// most bounds a picture's file, in bytes: it is in the repository, and on the first page that a visitor loads.
const most = 200 << 10

// shrink writes a picture anew with the 256 colours that it has most of, those of letters' edges being alike. One that
// stays too large is an error.
func shrink(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	full, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	few := image.NewPaletted(full.Bounds(), colours(full))
	draw.Draw(few, few.Bounds(), full, full.Bounds().Min, draw.Src)
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, few); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if b.Len() > most {
		return fmt.Errorf("%s has %d bytes, more than %d", path, b.Len(), most)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// colours are those that a picture has most of, of such as differ to the eye.
func colours(of image.Image) color.Palette {
	counts := map[color.RGBA]int{}
	for y := of.Bounds().Min.Y; y < of.Bounds().Max.Y; y++ {
		for x := of.Bounds().Min.X; x < of.Bounds().Max.X; x++ {
			r, g, b, _ := of.At(x, y).RGBA()
			counts[color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 255}]++
		}
	}
	order := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		if n := counts[b] - counts[a]; n != 0 {
			return n
		}
		return int(a.R)<<16 + int(a.G)<<8 + int(a.B) - int(b.R)<<16 - int(b.G)<<8 - int(b.B)
	})
	var palette color.Palette
	taken := map[color.RGBA]bool{}
	for _, c := range order {
		if alike := (color.RGBA{c.R >> 3, c.G >> 3, c.B >> 3, 0}); len(palette) < 256 && !taken[alike] {
			taken[alike] = true
			palette = append(palette, c)
		}
	}
	return palette
}
