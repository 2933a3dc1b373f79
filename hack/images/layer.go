package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
)

func goarch() string { return runtime.GOARCH }

// layer is the content of one layer by its path in the image, without the leading slash.
type layer map[string]entry

// entry is a file of this machine, a symbolic link where target is set, or a folder where neither is.
type entry struct {
	source string
	target string
	mode   int64 // of a folder
}

// tar writes the layer with all folders on the way to its files. The same content gives the same bytes.
func (l layer) tar() ([]byte, error) {
	all := maps.Clone(l)
	for p := range l {
		for d := path.Dir(p); d != "."; d = path.Dir(d) {
			if _, ok := all[d]; !ok {
				all[d] = entry{mode: 0o755}
			}
		}
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, p := range slices.Sorted(maps.Keys(all)) {
		if err := all[p].write(w, p); err != nil {
			return nil, fmt.Errorf("/%s: %w", p, err)
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

func (e entry) write(w *tar.Writer, path string) error {
	switch {
	case e.target != "":
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: path, Linkname: e.target, Mode: 0o777})
	case e.source == "":
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: path + "/", Mode: e.mode})
	}
	content, err := os.ReadFile(e.source)
	if err != nil {
		return err
	}
	info, err := os.Stat(e.source)
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: path, Size: int64(len(content)), Mode: int64(info.Mode().Perm())}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

// baseLayer is what every program expects of a root file system.
func baseLayer() (layer, error) {
	return layer{
		"tmp":     {mode: 0o1777},
		"run":     {mode: 0o755},
		"etc":     {mode: 0o755},
		"var/run": {target: "/run"}, // containerd names network namespaces by it
	}, nil
}

func programLayer(file string) (layer, error) {
	return layer{filepath.Base(file): {source: file}}, nil
}
