// Command images makes the container images of Northbound, each a tar archive for "ctr images import" or "docker load".
// It needs no registry, no container engine and no root: Northbound's programs are static, and the image of OVN is made of
// the files of the Debian packages that are installed here.
//
//	images -bin bin -out bin/images [NAME...]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	registryv1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image says what an image consists of. Every layer is a function, so that only what is asked for is read.
type image struct {
	layers []func() (layer, error)
	config registryv1.Config
	named  bool // made only when it is named
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("images: ")
	bin := flag.String("bin", "bin", "folder of the programs, built with CGO_ENABLED=0")
	out := flag.String("out", "bin/images", "folder of the archives")
	repository := flag.String("repository", "northbound.local", "registry and path before the names")
	tag := flag.String("tag", "dev", "tag")
	flag.Parse()
	images := all(*bin)
	names := flag.Args()
	if len(names) == 0 {
		for n, img := range images {
			if !img.named {
				names = append(names, n)
			}
		}
		slices.Sort(names)
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		log.Fatal(err)
	}
	for _, n := range names {
		img, ok := images[n]
		if !ok {
			log.Fatalf("there is no image %q", n)
		}
		if err := img.write(filepath.Join(*out, n+".tar"), fmt.Sprintf("%s/%s:%s", *repository, n, *tag)); err != nil {
			log.Fatalf("%s: %v", n, err)
		}
	}
}

// all are the images, by name.
func all(bin string) map[string]image {
	program := func(name string) func() (layer, error) {
		return func() (layer, error) { return programLayer(filepath.Join(bin, name)) }
	}
	command := func(name string) func() (layer, error) {
		return func() (layer, error) { return layer{"bin/" + name: {source: filepath.Join(bin, name)}}, nil }
	}
	const unprivileged = "65532"
	return map[string]image{
		"apiserver": {
			layers: []func() (layer, error){baseLayer, program("northbound-apiserver"), program("northbound-certificates")},
			config: registryv1.Config{User: unprivileged, Entrypoint: []string{"/northbound-apiserver"}},
		},
		"controller": {
			layers: []func() (layer, error){baseLayer, program("northbound-controller")},
			config: registryv1.Config{User: unprivileged, Entrypoint: []string{"/northbound-controller"}},
		},
		// The shell installs the plugin on the node.
		"agent": {
			layers: []func() (layer, error){baseLayer, busyboxLayer, program("northbound-agent"), program("kube-ovn")},
			config: registryv1.Config{Entrypoint: []string{"/northbound-agent"}},
		},
		"ovn": {layers: []func() (layer, error){baseLayer, busyboxLayer, ovnLayer}},
		// What tests run in pods.
		"busybox": {layers: []func() (layer, error){baseLayer, busyboxLayer, command("wget")}},
		"coredns": {layers: []func() (layer, error){baseLayer, program("coredns")}, config: registryv1.Config{Entrypoint: []string{"/coredns"}}},
		// What Kubernetes' own tests run in pods; agnhost is also a DNS server there.
		"agnhost": {
			layers: []func() (layer, error){baseLayer, busyboxLayer, toolsLayer, program("agnhost"), program("coredns")},
			config: registryv1.Config{Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"}},
			named:  true,
		},
		"glibc-dns-testing": {layers: []func() (layer, error){baseLayer, busyboxLayer, toolsLayer}, named: true},
		"sample-apiserver": {
			layers: []func() (layer, error){baseLayer, program("sample-apiserver")},
			config: registryv1.Config{Entrypoint: []string{"/sample-apiserver"}},
			named:  true,
		},
		"etcd": {
			layers: []func() (layer, error){baseLayer, func() (layer, error) {
				return layer{"usr/local/bin/etcd": {source: filepath.Join(bin, "etcd")}}, nil
			}},
			named: true,
		},
		"pause": {layers: []func() (layer, error){baseLayer, program("pause")}, config: registryv1.Config{Entrypoint: []string{"/pause"}}},
	}
}

// write replaces the file at once, so that who reads it meanwhile gets one image or the other.
func (i image) write(file, reference string) (err error) {
	ref, err := name.NewTag(reference, name.StrictValidation)
	if err != nil {
		return err
	}
	config := i.config
	config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	img, err := mutate.ConfigFile(empty.Image, &registryv1.ConfigFile{Architecture: goarch(), OS: "linux", Config: config})
	if err != nil {
		return err
	}
	for _, make := range i.layers {
		l, err := make()
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w (make build)", err)
		}
		if err != nil {
			return err
		}
		content, err := l.tar()
		if err != nil {
			return err
		}
		// Not compressed: archives do not travel, and a node unpacks them in half the time.
		if img, err = mutate.AppendLayers(img, static.NewLayer(content, types.DockerUncompressedLayer)); err != nil {
			return err
		}
	}
	if err := tarball.WriteToFile(file+".new", ref, img); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
