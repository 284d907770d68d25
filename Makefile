# Everything a person does here. `make up` needs Python 3.11 or newer and nothing else.

# The first Python on the path that is new enough; install.py says what is wrong when there is none.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)
RUN = .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help up demo test lint format docs overlay bench install install-dev

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

up: install ## install, start the servers, migrate, seed, serve (ARGS="--web 2 --workers 2")
	@$(RUN) manage.py up $(ARGS)

demo: install ## one streamed answer from the running server (ARGS="another question")
	@$(RUN) manage.py demo $(ARGS)

test: install-dev ## the whole suite, on real PostgreSQL and Redis
	$(RUN) -m pytest -q -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: install-dev ## style, types, import contracts, migrations, generated pages
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy taskmapr orchestration memory billing agents_cfg
	.venv/bin/lint-imports --no-cache
	ENV=test $(RUN) -W ignore manage.py makemigrations --check --dry-run
	ENV=test $(RUN) manage.py docs --check
	$(RUN) -m taskmapr.demo.bundle --check

format: install-dev ## put the code into house style
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

docs: install ## write the generated pages of docs/
	ENV=test $(RUN) manage.py docs

overlay: install ## write overlay.js from its modules
	@$(RUN) -m taskmapr.demo.bundle

bench: install-dev ## what streams, log and memory cost on this machine (QUICK=1, ARGS="--servers")
	$(RUN) -m benchmarks $(if $(QUICK),--quick) $(ARGS)

install:
	@$(PYTHON) requirements/install.py base

install-dev:
	@$(PYTHON) requirements/install.py dev
