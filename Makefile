# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` need nothing but a clone; everything lands in .standalone/ (git-ignored).
.DEFAULT_GOAL := help
# Tests over DDS run one by one: each has the machine to itself.
SIDE_BY_SIDE := --numprocesses=auto --maxprocesses=4 --dist=worksteal
.PHONY: help setup demo view test test-fast lint bench check-aarch64 docs docs-serve lock training tensorrt clean

help:      ## this list
	@grep -E '^[a-z0-9-]+: .*##' Makefile | sed 's/:.*##/ -/'

setup:     ## the environment for a machine without ROS
	@standalone/setup

demo: setup ## camera, node and a dialogue manager as three processes; [CLIP=file|folder] [CAMERA=0] [BAG=path [TOPIC=name]] [RERUN=1]
	@$(if $(RERUN),standalone/setup view)
	@standalone/env facial_coding demo $(if $(RERUN),--rerun) $(if $(CLIP),--clip "$(CLIP)") $(if $(CAMERA),--camera $(CAMERA)) $(if $(BAG),--bag "$(BAG)") $(if $(TOPIC),--topic "$(TOPIC)")

view: ## image, mesh, action units, expression and events in Rerun; [INPUT=file|folder|bag|run] [CAMERA=0] [WEB=1] [SAVE=run.rrd]
	@standalone/setup view
	@standalone/env facial_coding view $(if $(INPUT),"$(INPUT)") $(if $(CAMERA),--camera $(CAMERA)) $(if $(WEB),--web) $(if $(SAVE),--save "$(SAVE)")

test: ## linting, types and all tests, over DDS and of training too; [ARGS="-k name"]
	@standalone/setup test training view
	@standalone/env ruff check .
	@standalone/env mypy
ifdef ARGS
	@standalone/env python -m pytest $(ARGS)
else
	@standalone/env python -m pytest -m "not ros" $(SIDE_BY_SIDE)
	@standalone/env python -m pytest -m ros
endif

test-fast: ## the tests that need no ROS, no training and no GPU, in less than a minute; [ARGS="-k name"]
	@standalone/setup test
	@standalone/env python -m pytest -m "not ros and not training and not gpu and not slow" $(SIDE_BY_SIDE) $(ARGS)

lint: ## linting and types only
	@standalone/setup test
	@standalone/env ruff check .
	@standalone/env mypy

bench: setup ## what everything costs, in one table and benchmark.json; [WHAT=inference] a part, or another of benchmark/
	@standalone/env python -m benchmark $(WHAT)

check-aarch64: ## face codes on an emulated aarch64 against this machine's; needs root (docs/tracking.md); [AARCH64=folder]
	@standalone/aarch64/check

training: ## adds torch and scikit-learn to the environment
	@standalone/setup training

tensorrt: ## adds TensorRT-RTX and cuda-python to the environment, for an NVIDIA GPU (docs/gpu.md)
	@standalone/setup tensorrt

docs: ## the documentation as a site, in site/; broken links are errors
	@standalone/setup docs
	@NO_MKDOCS_2_WARNING=1 standalone/env mkdocs build

docs-serve: ## the same while you write, at http://127.0.0.1:8000
	@standalone/setup docs
	@NO_MKDOCS_2_WARNING=1 standalone/env mkdocs serve

lock: ## pin the requirements anew
	@standalone/lock

clean: ## remove the environment
	rm -rf .standalone
