# make help lists what there is.

GO          ?= go
BIN         ?= bin/idp
DATA        ?= demo-data
LISTEN      ?= localhost:8080
FUZZTIME    ?= 30s
SOAK        ?= 10m
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

# Tests of these run without the race detector: they start the real program or
# real servers, or compute for so long that the detector would cost minutes.
# Their results are not kept: the program that they start is no input of theirs
# that go test knows.
PLAIN := ./internal/... ./cardreader/pkcs11 ./directory/ad ./templates/...
# The longest come first, so that none runs alone at the end.
FIRST = $(filter %/cmd/idp %/store,$(REST))
RACED = $(FIRST) $(filter-out $(FIRST),$(REST))
REST  = $(filter-out $(shell $(GO) list $(PLAIN) 2>/dev/null),$(shell $(GO) list ./... 2>/dev/null))

.PHONY: help build demo test check words bench hunt deps generate

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

build: ## build bin/idp
	$(GO) build -trimpath -ldflags "-s -w -X main.release=$(VERSION)" -o $(BIN) ./cmd/idp

demo: ## run a whole small city to try things with
	@sh scripts/deps.sh demo
	@$(MAKE) --no-print-directory build
	@exec $(BIN) demo --listen $(LISTEN) --data $(DATA)

test: check ## check, and run all tests
	@sh scripts/deps.sh test
	$(GO) test -race $(RACED)
	$(GO) test -count=1 -timeout 20m $(PLAIN)

check: ## formatting, vet, staticcheck, the map of the packages, all words in all languages
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt -w these:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) test -count=1 .
	$(GO) test -count=1 -run 'TestWords|TestGenerated' ./templates ./config

bench: ## measure, and write docs/benchmarks.md
	@sh scripts/deps.sh test
	$(GO) test -timeout 3h -run '^$$' -bench '^BenchmarkReport$$' -benchtime 1x ./internal/bench -report $(CURDIR)/docs/benchmarks.md

hunt: ## run every fuzz test for FUZZTIME, and the product for SOAK
	IDP_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -run 'TestT205' ./cmd/idp
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for fuzz in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$fuzz"; $(GO) test -run '^$$' -fuzz "^$$fuzz$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; done

generate: ## write generated files anew
	$(GO) generate ./...

deps: ## install the Debian packages that tests and demo need
	@sh scripts/deps.sh all
