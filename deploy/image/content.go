package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// user is the one that the image runs as. Its number is in the image's
// configuration, so that Kubernetes can see that it is not root.
const user = 65532

// state is the working directory, the one place besides /tmp that is writable.
const state = "var/lib/tandem"

// A file is one entry of the image's only layer, its path without a leading slash.
type file struct {
	path string
	mode fs.FileMode // with fs.ModeDir and fs.ModeSticky where they apply
	uid  int         // and gid
	data []byte
}

// content gives the image's files, parents before children, and the architecture
// of the binaries.
func content(bundle string, binaries []string) ([]file, string, error) {
	directory := func(path string) file { return file{path: path, mode: fs.ModeDir | 0o755} }
	files := []file{
		directory("etc"),
		{path: "etc/group", mode: 0o644, data: []byte("root:x:0:\ntandem:x:65532:\n")},
		{path: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0:root:/:/sbin/nologin\n" +
			"tandem:x:65532:65532:Tandem:/" + state + ":/sbin/nologin\n")},
	}
	pem, err := os.ReadFile(bundle)
	switch {
	case err == nil:
		files = append(files, directory("etc/ssl"), directory("etc/ssl/certs"),
			file{path: strings.TrimPrefix(certificates, "/"), mode: 0o644, data: pem})
	case bundle != certificates || !errors.Is(err, fs.ErrNotExist):
		return nil, "", fmt.Errorf("read the CA certificates: %w", err)
	default:
		fmt.Fprintf(os.Stderr, "image: %s is missing here, so the image has no CA certificates and cannot verify TLS servers\n", bundle)
	}
	files = append(files,
		file{path: "tmp", mode: fs.ModeDir | fs.ModeSticky | 0o777},
		directory("usr"), directory("usr/bin"))

	architecture := ""
	for _, binary := range binaries {
		arch, err := inspect(binary)
		if err != nil {
			return nil, "", err
		}
		if architecture != "" && arch != architecture {
			return nil, "", fmt.Errorf("%s is for %s, but %s is for %s", binaries[0], architecture, binary, arch)
		}
		architecture = arch
		data, err := os.ReadFile(binary)
		if err != nil {
			return nil, "", err
		}
		files = append(files, file{path: "usr/bin/" + filepath.Base(binary), mode: 0o755, data: data})
	}
	files = append(files,
		directory("var"), directory("var/lib"),
		file{path: state, mode: fs.ModeDir | 0o755, uid: user})
	return files, architecture, nil
}

// inspect gives the architecture of an executable, in OCI's terms. One that needs
// a loader or a library would not start in an image that has none.
func inspect(binary string) (string, error) {
	executable, err := elf.Open(binary)
	if err != nil {
		return "", fmt.Errorf("%s is not a Linux executable: %w", binary, err)
	}
	defer executable.Close()
	for _, program := range executable.Progs {
		if program.Type == elf.PT_INTERP {
			return "", fmt.Errorf("%s is linked dynamically; build it with CGO_ENABLED=0", binary)
		}
	}
	switch executable.Machine {
	case elf.EM_X86_64:
		return "amd64", nil
	case elf.EM_AARCH64:
		return "arm64", nil
	}
	return "", fmt.Errorf("%s is for %s; images are made for amd64 and arm64", binary, executable.Machine)
}

// writeTree lays the files out in a directory that does not exist yet. Only root
// can give them to whom they belong; for others they stay the caller's.
func writeTree(root string, files []file) error {
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(root, f.path)
		if f.mode.IsDir() {
			if err := os.Mkdir(path, 0o755); err != nil {
				return err
			}
		} else if err := os.WriteFile(path, f.data, 0o644); err != nil {
			return err
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(path, f.uid, f.uid); err != nil {
				return err
			}
		}
		if err := os.Chmod(path, f.mode); err != nil { // Mkdir and WriteFile obey the umask
			return err
		}
	}
	return nil
}
