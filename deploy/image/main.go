// Command image packs static binaries into a container image without a container
// engine, a base image or a registry: an OCI image layout in one tar archive,
// which podman, docker, skopeo, crane and containerd read.
//
// Invariant: the same binaries, certificates and flags give the same bytes, so
// the image's digest can be compared.
//
//	image -version v1.2.3 -o tandem.tar bin/supervisor bin/app
//	image -root DIR bin/supervisor bin/app    the same files as a tree, for a Dockerfile
//
// The files go to /usr/bin; the first is the entry point.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// certificates is where Debian and most others keep the bundle, and where Go's
// crypto/x509 looks first.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

func main() {
	flags := flag.NewFlagSet("image", flag.ExitOnError)
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: image [flags] BINARY...")
		flags.PrintDefaults()
	}
	archive := flags.String("o", "", "write the OCI archive to this `file`")
	root := flags.String("root", "", "write the files of the image into this new `directory` instead")
	name := flags.String("name", "tandem", "the image's name")
	version := flags.String("version", "dev", "its version, which is also its tag")
	bundle := flags.String("certificates", certificates, "CA certificates to put in; left out when the default `file` is missing")
	if err := flags.Parse(os.Args[1:]); err != nil {
		os.Exit(2)
	}
	if flags.NArg() == 0 || (*archive == "") == (*root == "") {
		fmt.Fprintln(os.Stderr, "image: give the binaries, and one of -o and -root")
		flags.Usage()
		os.Exit(2)
	}
	if err := run(*archive, *root, *name, *version, *bundle, flags.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(archive, root, name, version, bundle string, binaries []string) error {
	files, architecture, err := content(bundle, binaries)
	if err != nil {
		return err
	}
	if root != "" {
		return writeTree(root, files)
	}
	created, err := epoch()
	if err != nil {
		return err
	}
	result, err := pack(files, description{
		Name: name, Version: version, Architecture: architecture, Created: created,
		Entrypoint: "/usr/bin/" + filepath.Base(binaries[0]),
	})
	if err != nil {
		return fmt.Errorf("pack %s:%s: %w", name, version, err)
	}
	if err := os.MkdirAll(filepath.Dir(archive), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(archive, result.archive, 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %s:%s@%s, %d files, %.1f MB\n",
		archive, name, version, result.digest, len(files), float64(len(result.archive))/1e6)
	return nil
}

// epoch is the time that the image and its files bear: SOURCE_DATE_EPOCH, else 1970.
func epoch() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, errors.New("SOURCE_DATE_EPOCH is not a number of seconds")
	}
	return time.Unix(seconds, 0).UTC(), nil
}
