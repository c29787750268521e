# One line per target; run.py does the same set-up without make.
PY ?= .venv/bin/python
LOCK = $(PY) -m uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 --no-annotate

.PHONY: dev check lint format test golden docs wheel bench nightly fuzz accuracy coverage demo-image lock
dev: ; python3 run.py setup
check: lint test
lint: ; .ci/check
format: ; $(PY) -m ruff format . && $(PY) -m ruff check --fix .
test: ; python3 run.py test
golden: ; ROCKETAUDIT_GOLDEN=write $(PY) -m pytest -q -m golden
docs: ; $(PY) docs/generate_rules.py
wheel: ; $(PY) -m build --no-isolation
bench: ; $(PY) -m bench
nightly: ; $(PY) -m pytest -q -n 2 -m slow
fuzz: ; ROCKETAUDIT_FUZZ=long $(PY) -m pytest -q tests/fuzz && $(PY) -m tests.fuzz --seconds 300
accuracy: ; $(PY) -m bench.accuracy
coverage: ; $(PY) -m coverage run -m pytest -q && $(PY) -m coverage combine -q && $(PY) -m coverage report
demo-image: ; $(PY) -m tests.images demo
lock: ; $(LOCK) pyproject.toml -o requirements/run.txt && $(LOCK) --extra dev pyproject.toml requirements/build.in -o requirements/dev.txt && $(LOCK) requirements/build.in -o requirements/build.txt && $(LOCK) --no-strip-extras -c requirements/dev.txt requirements/ci.in -o requirements/ci.txt
