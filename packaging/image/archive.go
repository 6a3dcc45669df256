package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// image is a recipe and what its file does not say.
type image struct {
	*recipe
	arch, tag string
	at        time.Time // of all files, and of the image
}

// Media types and the annotation of the OCI image format (https://github.com/opencontainers/image-spec).
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
	refName      = "org.opencontainers.image.ref.name"
	name         = "fairlead"
)

// object is a JSON object; encoding/json writes its keys in order.
type object = map[string]any

// archive makes the whole archive: blobs, and what leads to them for either kind of reader.
func (i *image) archive() ([]byte, error) {
	layer, err := i.layer()
	if err != nil {
		return nil, err
	}
	config := encode(i.config(layer))
	manifest := encode(object{
		"schemaVersion": 2, "mediaType": typeManifest, "config": descriptor(typeConfig, config), "layers": []object{descriptor(typeLayer, layer)},
	})
	found := descriptor(typeManifest, manifest)
	found["platform"] = object{"os": "linux", "architecture": i.arch}
	found["annotations"] = object{refName: i.tag}
	files := map[string][]byte{
		"oci-layout":   encode(object{"imageLayoutVersion": "1.0.0"}),
		"index.json":   encode(object{"schemaVersion": 2, "mediaType": typeIndex, "manifests": []object{found}}),
		blob(config):   config,
		blob(layer):    layer,
		blob(manifest): manifest,
		// What docker save writes (https://github.com/moby/moby/blob/master/image/spec/spec.md).
		"manifest.json": encode([]object{{"Config": blob(config), "Layers": []string{blob(layer)}, "RepoTags": []string{name + ":" + i.tag}}}),
	}
	w := i.newTar()
	for _, file := range sorted(files) {
		w.file(file, 0o644, files[file])
	}
	return w.end()
}

// config is the image configuration. Healthcheck is Docker's, and passed over by who does not know it.
func (i *image) config(layer []byte) object {
	ports := object{}
	for _, p := range i.ports {
		ports[p] = object{}
	}
	running := object{
		"User": i.user, "Env": i.env, "ExposedPorts": ports, "Entrypoint": i.entrypoint, "Cmd": i.command, "StopSignal": i.stopSignal,
	}
	if i.health != nil {
		running["Healthcheck"] = i.health
	}
	return object{
		"architecture": i.arch, "os": "linux", "created": i.at.Format(time.RFC3339), "config": running,
		"rootfs":  object{"type": "layers", "diff_ids": []string{digest(layer)}},
		"history": []object{{"created": i.at.Format(time.RFC3339), "created_by": name + " packaging/Containerfile"}},
	}
}

// layer is the file system: the files, and the directories above them.
func (i *image) layer() ([]byte, error) {
	w := i.newTar()
	made := map[string]bool{}
	files := slices.Clone(i.copies)
	slices.SortFunc(files, func(a, b copied) int { return strings.Compare(a.to, b.to) })
	for _, f := range files {
		data, err := os.ReadFile(f.from)
		if err != nil {
			return nil, fmt.Errorf("copy: %w", err)
		}
		for at, c := range f.to {
			if dir := f.to[:at]; c == '/' && at > 0 && !made[dir] {
				made[dir] = true
				w.directory(dir[1:])
			}
		}
		w.file(f.to[1:], int64(f.mode.Perm()), data)
	}
	return w.end()
}

// tarball writes an archive in memory; it keeps its first error.
type tarball struct {
	to  bytes.Buffer
	tar *tar.Writer
	at  time.Time
	err error
}

func (i *image) newTar() *tarball {
	w := &tarball{at: i.at}
	w.tar = tar.NewWriter(&w.to)
	return w
}

func (w *tarball) directory(name string) {
	w.write(&tar.Header{Typeflag: tar.TypeDir, Name: path.Clean(name) + "/", Mode: 0o755, ModTime: w.at, Format: tar.FormatUSTAR}, nil)
}

func (w *tarball) file(name string, mode int64, data []byte) {
	w.write(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data)), ModTime: w.at, Format: tar.FormatUSTAR}, data)
}

func (w *tarball) write(h *tar.Header, data []byte) {
	if w.err == nil {
		w.err = w.tar.WriteHeader(h)
	}
	if w.err == nil {
		_, w.err = w.tar.Write(data)
	}
}

func (w *tarball) end() ([]byte, error) {
	if w.err == nil {
		w.err = w.tar.Close()
	}
	return w.to.Bytes(), w.err
}

func descriptor(mediaType string, data []byte) object {
	return object{"mediaType": mediaType, "digest": digest(data), "size": len(data)}
}

func digest(data []byte) string { return "sha256:" + hexSum(data) }

func blob(data []byte) string { return "blobs/sha256/" + hexSum(data) }

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// encode never fails: what it is given are strings, numbers, lists and maps of them.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return data
}

func sorted(files map[string][]byte) []string {
	var names []string
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
