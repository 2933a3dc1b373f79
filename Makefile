# Everything here works from a clean clone, as root, on Debian 12 with Go and make and nothing else.

GO      ?= go
BIN     := bin
DATA    ?= data
VERSION ?= $(shell git describe --tags 2>/dev/null || echo v0.0.0-g$$(git rev-parse --short HEAD 2>/dev/null || echo unknown))
LDFLAGS := -s -w -X k8s.io/component-base/version.gitVersion=$(VERSION)

.PHONY: all deps build demo run test test-aggregated test-dataplane bench bench-http codegen verify lint clean
all: build

# The packages of Open vSwitch and OVN; installs nothing when they are there.
deps:
	hack/install-deps.sh

build: $(BIN)/northbound-apiserver $(BIN)/kubectl

# Go decides what is to be built anew.
.PHONY: $(BIN)/northbound-apiserver $(BIN)/kubectl
$(BIN)/northbound-apiserver:
	$(GO) build -ldflags '$(LDFLAGS)' -o $@ ./cmd/northbound-apiserver
$(BIN)/kubectl:
	$(GO) build -ldflags '-s -w' -o $@ ./hack/kubectl

# A tour of a server of its own, which is gone afterwards.
demo: deps build
	hack/demo.sh

# A server in the foreground, with its state in $(DATA), until it is interrupted.
run: deps build
	hack/run.sh $(DATA)

test: deps
	$(GO) test -race ./...

# The checks behind a real kube-apiserver, which is built once and cached.
test-aggregated: deps build
	hack/test-aggregated.sh

# Packets between three hosts that OVN connects; "test" has it, too, where it runs as root. OVN=25.03 for that release.
test-dataplane: deps
	hack/test-dataplane.sh

# The storage beside etcd3's, in one interleaved run; bench-http does it through HTTP, beside custom resources.
bench: deps
	hack/bench.sh
bench-http: deps build
	hack/bench-http.sh

codegen:
	hack/update-codegen.sh

verify:
	hack/verify.sh

lint:
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

clean:
	rm -rf $(BIN) $(DATA) .cache
