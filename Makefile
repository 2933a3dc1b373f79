# Everything here works from a clean clone, as root, on Debian 12 with Go and make and nothing else.

GO      ?= go
BIN     := bin
DATA    ?= data
NODES   ?= 2
CLUSTER ?= nb
VERSION ?= $(shell git describe --tags 2>/dev/null || echo v0.0.0-g$$(git rev-parse --short HEAD 2>/dev/null || echo unknown))
LDFLAGS := -s -w -X k8s.io/component-base/version.gitVersion=$(VERSION)

# The commands of the project, and the tools that its scripts use.
COMMANDS := $(patsubst cmd/%,$(BIN)/%,$(wildcard cmd/*))
TOOLS    := $(BIN)/kubectl $(BIN)/lab $(BIN)/pause $(BIN)/wget $(BIN)/coredns
LAB      := NORTHBOUND_CLUSTER_PROGRAMS=$$(hack/kubernetes/build.sh) $(BIN)/lab -name $(CLUSTER)

.PHONY: all deps deps-lab deps-e2e build images demo run cluster cluster-down test test-few-names test-aggregated test-dataplane test-cluster test-e2e test-matches bench bench-http bench-cni codegen verify lint clean
all: build

# The packages of Open vSwitch and OVN; installs nothing when they are there. deps-lab adds what nodes need, deps-e2e what
# Kubernetes' tests call in containers.
deps:
	hack/install-deps.sh
deps-lab:
	hack/install-deps.sh lab
deps-e2e:
	hack/install-deps.sh e2e

build: $(COMMANDS) $(BIN)/kubectl

# Go decides what is to be built anew; by -trimpath its cache serves every checkout. Programs are static: an image needs nothing but them.
.PHONY: $(COMMANDS) $(TOOLS)
$(COMMANDS): $(BIN)/%:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/$*
# The version of kubectl is that of the Kubernetes from whose modules it is built: k8s.io/kubectl v0.N.P is Kubernetes v1.N.P.
$(BIN)/kubectl: KUBECTL_VERSION = $(patsubst v0.%,v1.%,$(shell $(GO) list -m -f '{{.Version}}' k8s.io/kubectl))
$(BIN)/kubectl:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X k8s.io/component-base/version.gitVersion=$(KUBECTL_VERSION)' -o $@ ./hack/kubectl
$(BIN)/lab: $(BIN)/%:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $@ ./hack/$*
$(BIN)/pause $(BIN)/wget: $(BIN)/%:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $@ ./hack/lab/$*
# A module of its own, so that Northbound does not require CoreDNS.
$(BIN)/coredns:
	cd hack/coredns && GOWORK=off CGO_ENABLED=0 $(GO) build -mod=readonly -trimpath -ldflags '-s -w' -o $(abspath $@) .

# Container images as archives in bin/images.
images: build $(BIN)/pause $(BIN)/wget $(BIN)/coredns
	CGO_ENABLED=0 $(GO) run -trimpath ./hack/images -bin $(BIN) -out $(BIN)/images

# A tour of a server of its own, which is gone afterwards.
demo: deps build
	hack/demo.sh

# A server in the foreground, with its state in $(DATA), until it is interrupted.
run: deps build
	hack/run.sh $(DATA)

# A Kubernetes cluster of NODES nodes on this machine, with Northbound as its network: see hack/lab/README.md. Its first
# start builds Kubernetes (10 to 20 minutes on two cores), later ones take it from a cache.
cluster: deps-lab images $(BIN)/lab
	$(LAB) up -nodes $(NODES)
cluster-down: $(BIN)/lab
	$(BIN)/lab -name $(CLUSTER) down

# Failures stand at the end, with their whole output.
test: deps
	$(GO) tool gotestsum --format=pkgname --format-hide-empty-pkg -- -race -timeout=20m ./...

# Few names of each kind that come and go, by many clients at two and three servers: for longer than "test" does it.
test-few-names: deps
	$(GO) test ./pkg/apiserver -run=TestFewNames -fewnames.operations=400 -count=10 -timeout=90m

# The checks of server and controller with a real kube-apiserver, which is built once and cached.
test-aggregated: deps build
	hack/test-aggregated.sh

# Expressions of matches, many more than "test" generates, beside OVN's own parser. OVN=25.03 for that release.
test-matches: deps
	NORTHBOUND_MATCHES=300000 $(GO) test -count=1 -timeout=20m ./pkg/registry/kubeovn/match

# Packets between three hosts that OVN connects; "test" has it, too, where it runs as root. OVN=25.03 for that release.
test-dataplane: deps
	hack/test-dataplane.sh

# The checks with real pods, on a cluster of its own.
test-cluster: deps-lab images $(BIN)/lab
	hack/test-cluster.sh

# Kubernetes' own end-to-end tests of networks and aggregated APIs, which are built once, on a cluster of their own. Not part of CI.
test-e2e: deps-e2e images $(BIN)/lab
	hack/test-e2e.sh

# The storage beside etcd3's, in one interleaved run; bench-http does it through HTTP, beside custom resources.
bench: deps
	hack/bench.sh
bench-http: deps build
	hack/bench-http.sh

# Additions of pods' interfaces by the plugin, beside Kube-OVN's way, by libcni and by a containerd. The mount namespace takes
# along what containerd mounts, also when the program is killed.
bench-cni: deps-lab
	unshare --mount $(GO) test -run='^$$' -bench=Add -benchtime=200x -timeout=120m ./pkg/agent/cniserver

codegen:
	hack/update-codegen.sh

verify:
	hack/verify.sh

lint:
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

clean:
	rm -rf $(BIN) $(DATA) .cache
