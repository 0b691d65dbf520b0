# Everything begins here. `make run` and `make test` install what is missing on Debian and Ubuntu (.ci/need).

CARGO ?= cargo
# Started as root, PostgreSQL steps down to a user who cannot get into /root: then the data goes elsewhere.
DATA ?= $(shell { [ "$$(id -u)" -ne 0 ] || setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$(CURDIR)"; } \
	2>/dev/null && echo ./data || echo /var/lib/postrider)
# What `make run` builds: release is what one wants to use, dev is there sooner (PROFILE=dev).
PROFILE ?= release
built = target/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

.PHONY: load-submission help run build test check fmt schema fuzz storm load load-peers

help:
	@echo 'make run        build and start a mail server on this machine; its data is in $(DATA)'
	@echo 'make test       run every test'
	@echo 'make storm      the queue under fire at full size: nodes, Redis, PostgreSQL and S3 come to harm (an hour)'
	@echo 'make check      formatting, lints and the compose files'
	@echo 'make fuzz       random input for every parser, FUZZ_CASES of each'
	@echo 'make schema     write migrations/schema.sql anew'
	@echo 'make load       measure this machine with the load generator'
	@echo 'make load-peers measure Postfix and Dovecot beside it'
	@echo 'make load-submission measure mail that leaves, over one to three nodes, beside Postfix'

run:
	@bash .ci/need run
	@echo 'Building Postrider ($(PROFILE)); the first time this takes some minutes.'
	@$(CARGO) build --locked --profile $(PROFILE) -p postrider
	@exec $(built)/postrider standalone --data $(DATA)

build:
	@bash .ci/need run
	$(CARGO) build --locked --profile $(PROFILE) -p postrider

# One build for the binaries and the tests, so that nothing is compiled twice; the tests find the binaries
# beside themselves. They mostly wait for servers, so more of them run at once than there are cores.
test:
	@bash .ci/need test
	$(CARGO) build --locked --workspace --lib --bins --tests
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} $(CARGO) test --locked --workspace --lib --bins --tests --no-fail-fast

# The queue's proofs at full size; `make test` has them scaled down.
storm:
	@bash .ci/need test
	@CARGO=$(CARGO) bash .ci/storm

# Writes migrations/schema.sql anew, after a migration was added.
schema:
	@bash .ci/need test
	UPDATE_SCHEMA=1 $(CARGO) test --locked -p tests --test system schema::migrations_replay

# The property tests of everything that reads what strangers send, FUZZ_CASES cases of each.
FUZZ_CASES ?= 100000
fuzz:
	@bash .ci/need test
	PROPTEST_CASES=$(FUZZ_CASES) nice -n 19 $(CARGO) test --locked --release --no-fail-fast --lib \
		-p imap -p pop3 -p smtp -p sasl -p message -p types

check:
	@bash .ci/need check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@bash .ci/compose-check

# Measured with release binaries and fsync on. LOAD_ARGS goes to the generator, see `--help`.
load:
	@bash .ci/need load
	$(CARGO) build --locked --release -p postrider -p testkit -p load
	target/release/postrider-load all $(LOAD_ARGS)

load-peers:
	@bash .ci/need load
	@bash .ci/need peers
	$(CARGO) build --locked --release -p postrider -p testkit -p load
	target/release/postrider-load all --peer postfix-dovecot $(LOAD_ARGS)

load-submission:
	@bash .ci/need load
	@bash .ci/need peers
	$(CARGO) build --locked --release -p postrider -p testkit -p load
	target/release/postrider-load submission --count 6000 --nodes 1 --nodes 2 --nodes 3 \
		--coordinator redis --coordinator local --peer postfix-dovecot $(LOAD_ARGS)
