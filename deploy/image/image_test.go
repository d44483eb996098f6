package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build makes an executable of a program that does nothing.
func build(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, name), source)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return filepath.Join(dir, name)
}

// patched gives a copy of an executable, changed.
func patched(t *testing.T, executable string, change func([]byte)) string {
	t.Helper()
	data, err := os.ReadFile(executable)
	if err != nil {
		t.Fatal(err)
	}
	change(data)
	path := filepath.Join(t.TempDir(), "patched")
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// untar gives the entries of an archive by name, and fails on a doubled one.
func untar(t *testing.T, data []byte) (headers map[string]*tar.Header, contents map[string][]byte) {
	t.Helper()
	headers, contents = map[string]*tar.Header{}, map[string][]byte{}
	reader := tar.NewReader(bytes.NewReader(data))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return headers, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		if headers[header.Name] != nil {
			t.Errorf("%s is there twice", header.Name)
		}
		headers[header.Name] = header
		if contents[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

func decode[T any](t *testing.T, data []byte) (value T) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return value
}

func certificatesFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(path, []byte("certificates"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An engine goes from index.json to the layer by digests: every one of them must
// lead to a blob with exactly those bytes.
func TestLayoutHoldsTogether(t *testing.T) {
	out := filepath.Join(t.TempDir(), "sub", "image.tar")
	binaries := []string{build(t, "supervisor"), build(t, "app")}
	if err := run(out, "", "tandem", "v1.2.3", certificatesFile(t), binaries); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	_, layout := untar(t, whole)
	if got := string(layout["oci-layout"]); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", got)
	}
	blob := func(d descriptor, mediaType string) []byte {
		t.Helper()
		data := layout["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
		if d.MediaType != mediaType || digest(data) != d.Digest || len(data) != d.Size {
			t.Errorf("%+v does not describe its blob of %d bytes, %s", d, len(data), digest(data))
		}
		return data
	}
	top := decode[index](t, layout["index.json"])
	image := decode[manifest](t, blob(top.Manifests[0], typeManifest))
	config := decode[imageConfig](t, blob(image.Config, typeConfig))
	unzip, err := gzip.NewReader(bytes.NewReader(blob(image.Layers[0], typeLayer)))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}

	if !slices.Equal(config.RootFS.DiffIDs, []string{digest(layer)}) {
		t.Errorf("diff_ids are %v, the layer is %s", config.RootFS.DiffIDs, digest(layer))
	}
	if got := config.Config.Entrypoint; !slices.Equal(got, []string{"/usr/bin/supervisor"}) {
		t.Errorf("entry point is %v", got)
	}
	if config.Config.User != "65532:65532" || config.Config.StopSignal != "SIGTERM" || config.Config.WorkingDir != "/var/lib/tandem" {
		t.Errorf("user %q, stop signal %q, directory %q", config.Config.User, config.Config.StopSignal, config.Config.WorkingDir)
	}
	if config.OS != "linux" || config.platform != *top.Manifests[0].Platform {
		t.Errorf("platform is %+v in the configuration, %+v in the index", config.platform, top.Manifests[0].Platform)
	}

	headers, contents := untar(t, layer)
	for i, path := range []string{"usr/bin/supervisor", "usr/bin/app"} {
		want, err := os.ReadFile(binaries[i])
		if err != nil {
			t.Fatal(err)
		}
		if headers[path] == nil || headers[path].Mode != 0o755 || !bytes.Equal(contents[path], want) {
			t.Errorf("%s is not the binary, or not executable", path)
		}
	}
	if string(contents["etc/ssl/certs/ca-certificates.crt"]) != "certificates" {
		t.Error("the CA certificates are missing")
	}
	for path, mode := range map[string]int64{"tmp/": 0o1777, "var/lib/tandem/": 0o755} {
		if headers[path] == nil || headers[path].Mode != mode {
			t.Errorf("%s is %+v, want mode %o", path, headers[path], mode)
		}
	}
	for path, header := range headers {
		owner := 0
		if path == "var/lib/tandem/" {
			owner = 65532
		}
		if header.Uid != owner || header.Gid != owner || header.Uname != "" {
			t.Errorf("%s belongs to %d:%d (%s), want %d", path, header.Uid, header.Gid, header.Uname, owner)
		}
		if parent := filepath.Dir(strings.TrimSuffix(path, "/")); parent != "." && headers[parent+"/"] == nil {
			t.Errorf("%s has no directory", path)
		}
	}
}

func TestSameInputGivesSameBytes(t *testing.T) {
	executable, bundle := build(t, "supervisor"), certificatesFile(t)
	images := make([][]byte, 2)
	for i := range images {
		// what must not matter: where the files lie, their times and modes
		moved := filepath.Join(t.TempDir(), "supervisor")
		data, err := os.ReadFile(executable)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(moved, data, 0o600+fs.FileMode(i)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(moved, time.Time{}, time.Unix(int64(i)*1e9, 0)); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "image.tar")
		if err := run(out, "", "tandem", "dev", bundle, []string{moved}); err != nil {
			t.Fatal(err)
		}
		if images[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two images of the same binary differ")
	}
}

func TestSourceDateEpochIsTheTimeOfTheImage(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	if got, err := epoch(); err != nil || got != time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC) {
		t.Errorf("epoch is %v, %v", got, err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if got, err := epoch(); err == nil {
		t.Errorf("yesterday was taken for %v", got)
	}
}

func TestRefusesWhatCouldNotRun(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	good := build(t, "supervisor")
	// The header of an ELF file has the machine at 18 and at 32 where the program
	// headers begin, each of which begins with its type.
	foreign := patched(t, good, func(data []byte) {
		if machine := data[18:]; binary.LittleEndian.Uint16(machine) == uint16(elf.EM_AARCH64) {
			binary.LittleEndian.PutUint16(machine, uint16(elf.EM_X86_64))
		} else {
			binary.LittleEndian.PutUint16(machine, uint16(elf.EM_AARCH64))
		}
	})
	exotic := patched(t, good, func(data []byte) { binary.LittleEndian.PutUint16(data[18:], uint16(elf.EM_SPARC)) })
	dynamic := patched(t, good, func(data []byte) {
		binary.LittleEndian.PutUint32(data[binary.LittleEndian.Uint64(data[32:]):], uint32(elf.PT_INTERP))
	})
	for _, test := range []struct {
		binaries []string
		want     string
	}{
		{[]string{script}, "not a Linux executable"},
		{[]string{dynamic}, "CGO_ENABLED=0"},
		{[]string{good, foreign}, ", but "},
		{[]string{exotic}, "EM_SPARC"},
		{[]string{filepath.Join(t.TempDir(), "missing")}, "no such file"},
	} {
		if _, _, err := content(certificatesFile(t), test.binaries); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error is %v, want one with %q", test.binaries, err, test.want)
		}
	}
	if _, _, err := content(filepath.Join(t.TempDir(), "missing"), []string{good}); err == nil {
		t.Error("a bundle of certificates that was asked for and is missing went unnoticed")
	}
}

// The tree is what a Dockerfile copies: it must be the same files.
func TestTreeIsTheLayer(t *testing.T) {
	files, _, err := content(certificatesFile(t), []string{build(t, "supervisor")})
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := writeTree(root, files); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		relative, _ := filepath.Rel(root, path)
		found[relative] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(filepath.Join(root, f.path))
		if err != nil || info.Mode() != f.mode {
			t.Errorf("%s: %v, want mode %v", f.path, err, f.mode)
			continue
		}
		if owner := info.Sys().(*syscall.Stat_t); os.Geteuid() == 0 && (int(owner.Uid) != f.uid || int(owner.Gid) != f.uid) {
			t.Errorf("%s belongs to %d:%d, want %d", f.path, owner.Uid, owner.Gid, f.uid)
		}
		delete(found, f.path)
	}
	if delete(found, "."); len(found) > 0 {
		t.Errorf("%v are in the tree, not in the layer", found)
	}
	if err := writeTree(root, files); !errors.Is(err, fs.ErrExist) {
		t.Errorf("writing over a tree: %v", err)
	}
}

// What the last stage of the Dockerfile says of the image, the archive must say too.
func TestDockerfileSaysWhatTheArchiveSays(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, found := strings.Cut(string(text), "\nFROM scratch\n")
	if !found {
		t.Fatal("the last stage is not FROM scratch")
	}
	said := map[string]string{}
	for line := range strings.Lines(last) {
		if word, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && word != "COPY" && word != "#" {
			said[word] = rest
		}
	}
	result, err := pack(nil, description{Name: "tandem", Version: "v1", Architecture: "amd64", Entrypoint: "/usr/bin/supervisor"})
	if err != nil {
		t.Fatal(err)
	}
	_, layout := untar(t, result.archive)
	top := decode[index](t, layout["index.json"])
	blob := func(d descriptor) []byte { return layout["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")] }
	config := decode[imageConfig](t, blob(decode[manifest](t, blob(top.Manifests[0])).Config)).Config
	entrypoint, err := json.Marshal(config.Entrypoint)
	if err != nil {
		t.Fatal(err)
	}
	var ports []string
	for port := range config.ExposedPorts {
		ports = append(ports, strings.TrimSuffix(port, "/tcp"))
	}
	want := map[string]string{
		"ENV": strings.Join(config.Env, " "), "USER": config.User, "WORKDIR": config.WorkingDir, "EXPOSE": strings.Join(ports, " "),
		"STOPSIGNAL": config.StopSignal, "ENTRYPOINT": string(entrypoint),
	}
	if !maps.Equal(said, want) {
		t.Errorf("the Dockerfile says %v, the archive %v", said, want)
	}
}
