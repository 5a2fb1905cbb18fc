# Everything that is done with a clone; "make help" lists it. Only "setup" installs anything outside of this directory.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

PYTHON ?= python3
VENV := .venv/bin
SETUP = python=$$(tools/find_python.sh "$(PYTHON)"); "$$python" tools/setup.py

# $(call timed,NAME,COMMAND): run it under a heading and say how long it took.
timed = printf '\n== %s\n' '$(1)'; begun=$$SECONDS; $(2); printf '== %s: %s s\n' '$(1)' "$$((SECONDS - begun))"

.PHONY: help
help: ## List what can be made
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

.PHONY: setup
setup: ## Set up everything: virtual environment, container engine, mmdebstrap
	@$(SETUP)

.PHONY: venv
venv:
	@$(SETUP) --python-only

.PHONY: demo
demo: setup ## Build markupsafe and pyyaml from source, install them from the index, in a few minutes
	@$(VENV)/wheelyard demo

.PHONY: up
up: setup guide ## Run the service in the foreground; Ctrl-C stops all of it
	@exec $(VENV)/wheelyard up

.PHONY: test-setup
test-setup:
	@$(SETUP) --with-browser --with-nginx --with-prometheus --with-systemd

# Set by .ci/run: a test on real parts that fails is tried once more, three of a lane at most, and both tries are shown.
SECOND_TRY ?=

# Tests on real parts wait most of the time, so two lanes run side by side. The images that both need are made before, beside
# the unit tests. The output of what runs beside is shown when it has ended: nothing is mixed, and "FAILED" lines start a line.
.PHONY: test
test: test-setup ## Set up, then lint, check types and run every test
	@$(call timed,lint,$(MAKE) --no-print-directory lint)
	@$(call timed,types,$(MAKE) --no-print-directory typecheck)
	@tools/side_by_side.sh "$(MAKE) --no-print-directory test-unit" "$(MAKE) --no-print-directory test-first-images"
	@tools/side_by_side.sh "$(MAKE) --no-print-directory test-services" "$(MAKE) --no-print-directory test-parts"

.PHONY: test-first-images
test-first-images:
	@$(call timed,the first images,$(VENV)/wheelyard builders build)

.PHONY: test-parts
test-parts:
	@$(call timed,integration tests,$(VENV)/pytest $(SECOND_TRY) tests/integration)

.PHONY: test-services
test-services:
	@$(call timed,acceptance tests,$(VENV)/pytest $(SECOND_TRY) tests/acceptance)
	@$(call timed,fault tests,$(VENV)/pytest $(SECOND_TRY) tests/faults)
	@$(call timed,hostile tests,$(VENV)/pytest $(SECOND_TRY) tests/hostile)

.PHONY: test-unit
test-unit: venv ## Run the unit tests only: no engine, no database, seconds
	@$(call timed,unit tests,$(VENV)/pytest tests/unit)

.PHONY: test-toolchains
test-toolchains: setup ## Build real projects in Rust, Fortran, Java and with Bazel, in about ten minutes
	@$(VENV)/pytest tests/integration/test_toolchain_builds.py -m slow_toolchains

.PHONY: test-images
test-images: setup ## Make a runtime image twice and compile Python twice, compare their files, and refresh an image
	@$(VENV)/pytest tests/integration/test_image_content.py tests/integration/test_image_refresh.py -m "slow_images or not slow_images"

.PHONY: test-signing
test-signing: setup ## Read attestations with PyPI's models, and sign with a PKCS#11 token (needs softhsm2 and opensc)
	@$(VENV)/pytest tests/integration/test_signing.py -m "slow_signing or not slow_signing"

.PHONY: test-pythons
test-pythons: setup ## Compile a free-threaded Python and an optimised one, and build and prove wheels, in half an hour
	@$(VENV)/pytest tests/integration/test_free_threaded.py tests/integration/test_optimised_python.py -m slow_pythons

# Not a part of continuous integration: the emulated images alone take it some minutes.
.PHONY: test-arm
test-arm: setup ## Emulate aarch64 (packages qemu-user-static, binfmt-support): cross-compile CPython, build four projects
	@$(VENV)/pytest tests/integration/test_cross_compilation.py tests/acceptance/test_emulated.py -m slow_arm

.PHONY: test-engines
test-engines: setup ## Make images and build a wheel with BuildKit and with Podman, in some minutes
	@$(VENV)/pytest tests/integration/test_engines.py -m slow_engines

.PHONY: test-hostile
test-hostile: setup ## Run every attack of tests/hostile, in about two minutes
	@$(VENV)/pytest tests/hostile

.PHONY: test-gvisor
test-gvisor: setup ## Build markupsafe, pyyaml and every hostile build under gVisor (package runsc), on an engine of its own
	@$(VENV)/pytest tests/hostile/test_gvisor.py -m slow_gvisor

.PHONY: test-prebuild
test-prebuild: setup ## Prebuild three applications and install them with nothing but our index, in about half an hour
	@$(VENV)/pytest tests/acceptance -m slow_prebuild

.PHONY: test-faults
test-faults: setup ## Kill, freeze, fill up and cut off everything at every stage, and print how it was got over
	@$(VENV)/pytest tests/faults -m "slow_faults or not slow_faults"

# All pages in both widths and colour schemes. Those that the documents show are of a real service with real projects.
.PHONY: screenshots
screenshots: test-setup ## Take pictures of every page into screenshots/, and renew those in docs/images
	@mkdir -p screenshots
	@WHEELYARD_SCREENSHOTS=screenshots $(VENV)/pytest tests/integration/test_web_browser.py -k fit_and_have_no
	@$(VENV)/python tools/take_pictures.py docs/images

.PHONY: test-compose
test-compose: setup ## Make the service's images, bring docker-compose.yml up, build a wheel in it; ten minutes at first
	@$(VENV)/pytest tests/acceptance/test_compose.py -m compose

.PHONY: lint
lint: venv ## Check style and format
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check

.PHONY: typecheck
typecheck: venv ## Check types
	@$(VENV)/mypy
	@$(VENV)/mypy tools

.PHONY: format
format: venv ## Rewrite the code in the house style
	@$(VENV)/ruff check --fix
	@$(VENV)/ruff format

.PHONY: docs
docs: venv ## Write docs/cli.md, docs/settings.md and the schema of recipes anew from the code
	@$(VENV)/python tools/generate_docs.py

.PHONY: guide
guide: venv ## Build the guide from docs/, which the service shows at /guide/; warnings are errors
	@$(VENV)/python tools/build_guide.py

# The option list is the lock's meaning: hashes for every platform and Python, and no index address in the file.
LOCK := uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header

.PHONY: lock
lock: venv ## Pin the newest versions that pyproject.toml, devpi.in and builders/tools.in allow
	@$(VENV)/$(LOCK) --universal --python-version 3.11 --extra dev pyproject.toml tools/build.in \
	  --output-file requirements.lock
	@$(VENV)/$(LOCK) --universal --python-version 3.11 devpi.in --output-file devpi.lock
	@$(VENV)/$(LOCK) --python-version 3.13 --only-binary :all: builders/tools.in --output-file builders/tools.lock

.PHONY: clean
clean: ## Remove the virtual environments and all caches; what the service keeps stays
	@rm -rf .venv .venvs .mypy_cache .pytest_cache .ruff_cache .coverage htmlcov dist guide.zip
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
