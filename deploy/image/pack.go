package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
)

// The media types of the OCI image specification, version 1.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

type description struct {
	Name, Version, Architecture, Entrypoint string
	Created                                 time.Time
}

type packed struct {
	archive []byte // the image layout as a tar
	digest  string // of the manifest: what an engine knows the image by
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type imageConfig struct {
	Created time.Time `json:"created"`
	platform
	Config  runConfig `json:"config"`
	RootFS  rootFS    `json:"rootfs"`
	History []history `json:"history"`
}

type runConfig struct {
	User         string
	ExposedPorts map[string]struct{}
	Env          []string
	Entrypoint   []string
	WorkingDir   string
	Labels       map[string]string
	StopSignal   string
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// pack makes the image.
func pack(files []file, d description) (packed, error) {
	layer, err := archive(files, d.Created)
	if err != nil {
		return packed{}, err
	}
	squeezed, err := compress(layer)
	if err != nil {
		return packed{}, err
	}
	blobs := map[string][]byte{}
	put := func(mediaType string, data []byte) descriptor {
		sum := digest(data)
		blobs[strings.TrimPrefix(sum, "sha256:")] = data
		return descriptor{MediaType: mediaType, Digest: sum, Size: len(data)}
	}
	putJSON := func(mediaType string, value any) (descriptor, error) {
		data, err := json.Marshal(value)
		return put(mediaType, data), err
	}

	here := platform{Architecture: d.Architecture, OS: "linux"}
	config, err := putJSON(typeConfig, imageConfig{
		Created: d.Created, platform: here,
		Config: runConfig{
			User:         fmt.Sprintf("%d:%[1]d", user),
			ExposedPorts: map[string]struct{}{"8000/tcp": {}},
			// PORT: the supervisor then listens on every address, as a container has to;
			// a flag or SUPERVISOR_BIND beats it, and so does a platform's own PORT.
			Env:        []string{"PATH=/usr/bin", "PORT=8000"},
			Entrypoint: []string{d.Entrypoint},
			WorkingDir: "/" + state,
			Labels: map[string]string{
				"org.opencontainers.image.title":    d.Name,
				"org.opencontainers.image.version":  d.Version,
				"org.opencontainers.image.licenses": "MIT",
			},
			StopSignal: "SIGTERM",
		},
		RootFS:  rootFS{Type: "layers", DiffIDs: []string{digest(layer)}},
		History: []history{{Created: d.Created, CreatedBy: "deploy/image"}},
	})
	if err != nil {
		return packed{}, err
	}
	image, err := putJSON(typeManifest, manifest{
		SchemaVersion: 2, MediaType: typeManifest,
		Config: config, Layers: []descriptor{put(typeLayer, squeezed)},
	})
	if err != nil {
		return packed{}, err
	}
	image.Platform = &here
	image.Annotations = map[string]string{
		"org.opencontainers.image.ref.name": d.Version,
		"io.containerd.image.name":          d.Name + ":" + d.Version, // for containerd and docker
	}
	top, err := json.Marshal(index{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{image}})
	if err != nil {
		return packed{}, err
	}

	layout := []file{
		{path: "oci-layout", mode: 0o644, data: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{path: "index.json", mode: 0o644, data: top},
		{path: "blobs", mode: fs.ModeDir | 0o755},
		{path: "blobs/sha256", mode: fs.ModeDir | 0o755},
	}
	for _, name := range slices.Sorted(maps.Keys(blobs)) {
		layout = append(layout, file{path: "blobs/sha256/" + name, mode: 0o644, data: blobs[name]})
	}
	whole, err := archive(layout, d.Created)
	return packed{archive: whole, digest: image.Digest}, err
}

// archive writes the files as a tar. Nothing of this machine gets into it: no
// times, no names of users.
func archive(files []file, modified time.Time) ([]byte, error) {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, f := range files {
		header := &tar.Header{
			Name: f.path, Typeflag: tar.TypeReg, Size: int64(len(f.data)), Mode: int64(f.mode.Perm()),
			Uid: f.uid, Gid: f.uid, ModTime: modified, Format: tar.FormatUSTAR,
		}
		if f.mode.IsDir() {
			header.Name, header.Typeflag = f.path+"/", tar.TypeDir
		}
		if f.mode&fs.ModeSticky != 0 {
			header.Mode |= 0o1000
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("add %s: %w", f.path, err)
		}
		if _, err := writer.Write(f.data); err != nil {
			return nil, fmt.Errorf("add %s: %w", f.path, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

func compress(data []byte) ([]byte, error) {
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer) // its header has no time and no name unless they are set
	if _, err := writer.Write(data); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
