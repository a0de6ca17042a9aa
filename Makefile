# postkey: GNU make, one Makefile, dependencies found by the compiler.
#
#   make            build the programs into build/
#   make demo       install what is missing, build, and watch the main job run
#   make check      install what is missing, then run every test
#   make check-real only the tests against servers that other people wrote
#   make live       ACCOUNT=you@gmail.com: tries an account of yours at your provider, and says where that differs
#   make test       the tests that need no network, no root and no session
#   make fuzz       run each fuzz target for SECONDS=60
#   make crash      kill the sender and the runner at each system call; cut each byte
#   make bench      measure broker and sender beside others; BENCH=broker or BENCH=send: only one
#   make install    PREFIX=/usr/local DESTDIR=
#   make install-mta  the same, and the names sendmail, mailq and newaliases
#   make deb        packages of Debian, into build/deb/
#   make check-package  build them twice, and use them in a bare Debian
#   make help       this list
#
#   SANITIZE=address,undefined  CC=clang  BUILD=folder   work with every target

VERSION := 0.1.0

PREFIX  ?= /usr/local
DESTDIR ?=
BINDIR  := $(DESTDIR)$(PREFIX)/bin
DATADIR := $(DESTDIR)$(PREFIX)/share/postkey
DOCDIR  := $(DESTDIR)$(PREFIX)/share/doc/postkey
# Where systemd looks below /usr and /usr/local; a person's own units belong in ~/.local/share/systemd.
UNITDIR     ?= $(PREFIX)/lib/systemd
SYSTEMUNITDIR ?= $(UNITDIR)/system
USERUNITDIR ?= $(UNITDIR)/user
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
MANDIR      ?= $(PREFIX)/share/man
# The command of [notify] for a desktop.
LIBDIR      ?= $(PREFIX)/lib/postkey
BASHDIR     ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR      ?= $(PREFIX)/share/zsh/site-functions
FISHDIR     ?= $(PREFIX)/share/fish/vendor_completions.d

SANITIZE ?=
BUILD    ?= build$(if $(SANITIZE),-sanitize)
ifeq ($(origin CC),default)
CC := gcc
endif
OPTIMIZE ?= -O2 -g

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

# ---- what is built from what ----------------------------------------------------------------------------

SHARED_SRC := $(wildcard shared/*.c)
# A sanitizer brings its own allocator: broker/wipe.c and it do not mix.
BROKER_SRC := $(filter-out $(if $(SANITIZE),broker/wipe.c),$(wildcard broker/*.c))
CLI_SRC    := $(wildcard broker/cli/*.c)
SENDER_SRC := $(wildcard sender/*.c)
QUEUE_SRC  := $(wildcard sender/queue/*.c)
DOCTOR_SRC := $(wildcard sender/doctor/*.c)
SIM_SRC    := $(wildcard tests/sim/*.c)

PROGRAMS := $(addprefix $(BUILD)/,postkey-broker postkey postkey-send postkey-queue postkey-doctor)
# The name by which git calls postkey.
GIT_HELPER := git-credential-postkey
UNITS    := shared broker cli sender doctor
UNIT_TESTS := $(foreach u,$(UNITS),$(if $(wildcard tests/unit/$u/*.c),$(BUILD)/tests/unit-$u))
SIM      := $(BUILD)/tests/small-google

BROKER_PKG := glib-2.0 gio-2.0 gio-unix-2.0 libsecret-1 libcurl libcjson gnutls
CLI_PKG    := glib-2.0 libcjson libqrencode
SENDER_PKG := glib-2.0 libcjson gnutls
DOCTOR_PKG := $(SENDER_PKG) libcares
SHARED_PKG := glib-2.0 libcjson
SIM_PKG    := glib-2.0 gio-2.0 gio-unix-2.0 gnutls libcjson

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
without_main = $(filter-out %/main.o,$(call objects,$(1)))

# ---- flags ------------------------------------------------------------------------------------------------

# A distribution's build says WERROR= (another compiler warns of other things), and its own level of _FORTIFY_SOURCE.
WERROR   ?= -Werror
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes $(WERROR)
FORTIFY  ?= $(if $(SANITIZE)$(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDEN   := -fstack-protector-strong -fPIE
SANITIZE_FLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)

POSTKEY_CFLAGS  := -std=gnu17 -D_GNU_SOURCE -DPOSTKEY_VERSION='"$(VERSION)"' $(OPTIMIZE) $(WARNINGS) \
                   $(HARDEN) $(SANITIZE_FLAGS) -MMD -MP
POSTKEY_LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed $(SANITIZE_FLAGS)

# Each side sees its own folder and shared/, nothing else: a wrong include does not compile.
INC_shared := -Ishared -I$(BUILD)/gen
INC_broker := -Ishared -Ibroker -I$(BUILD)/gen
INC_cli    := -Ishared -Ibroker/cli
INC_sender := -Ishared -Isender
INC_queue  := -Ishared -Isender -Isender/queue
# c-ares keeps its older calls, which are all that Debian 12 has, and calls them deprecated in newer releases.
INC_doctor := -Ishared -Isender -Isender/doctor -DCARES_NO_DEPRECATED
INC_sim    := -Itests/sim

pkg = $(shell pkg-config --cflags $(1))
$(BUILD)/obj/shared/%.o:     private FLAGS = $(INC_shared) $(call pkg,$(SHARED_PKG))
$(BUILD)/obj/broker/%.o:     private FLAGS = $(INC_broker) $(call pkg,$(BROKER_PKG))
$(BUILD)/obj/broker/cli/%.o: private FLAGS = $(INC_cli) $(call pkg,$(CLI_PKG))
$(BUILD)/obj/sender/%.o:     private FLAGS = $(INC_sender) $(call pkg,$(SENDER_PKG))
$(BUILD)/obj/sender/queue/%.o: private FLAGS = $(INC_queue) $(call pkg,$(SENDER_PKG))
$(BUILD)/obj/sender/doctor/%.o: private FLAGS = $(INC_doctor) $(call pkg,$(DOCTOR_PKG))
$(BUILD)/obj/tests/sim/%.o:  private FLAGS = $(INC_sim) $(call pkg,$(SIM_PKG))
INC_broker-session := $(INC_broker)
$(BUILD)/obj/tests/fuzz/%.o: private FLAGS = -Itests/fuzz -Itests/fuzz/fakes $(INC_broker) $(call pkg,$(BROKER_PKG))
$(BUILD)/obj/tests/fuzz/sender/%.o $(BUILD)/obj/tests/fuzz/fakes-sender/%.o: \
  private FLAGS = -Itests/fuzz -Itests/fuzz/fakes -Itests/fuzz/fakes-sender $(INC_sender) $(call pkg,$(SENDER_PKG))
$(BUILD)/obj/tests/fuzz/doctor/%.o: private FLAGS = -Itests/fuzz $(INC_doctor) $(call pkg,$(DOCTOR_PKG))
$(BUILD)/obj/tests/fuzz/cli/%.o: private FLAGS = -Itests/fuzz $(INC_cli) $(call pkg,$(CLI_PKG))
$(foreach u,$(UNITS) broker-session,$(eval $(BUILD)/obj/tests/unit/$u/%.o: private FLAGS = $$(INC_$u) $$(call pkg,$$(BROKER_PKG) libqrencode criterion)))

# ---- programs ---------------------------------------------------------------------------------------------

.PHONY: all
all: $(PROGRAMS) $(BUILD)/$(GIT_HELPER)

NEEDED_PKG := $(sort $(BROKER_PKG) $(CLI_PKG) $(SENDER_PKG) $(DOCTOR_PKG) $(SHARED_PKG))

# Everything is compiled again when compiler or flags change.
.PHONY: always
$(BUILD)/flags: always
	@command -v $(firstword $(CC)) >/dev/null && command -v pkg-config >/dev/null && pkg-config --print-errors --exists $(NEEDED_PKG) || \
	  { echo 'make: $(firstword $(CC)), pkg-config or a library is missing here; to install what postkey is built from: packaging/install-dependencies build' >&2; exit 1; }
	@mkdir -p $(@D)
	@echo '$(CC) $(POSTKEY_CFLAGS) $(FORTIFY) $(CPPFLAGS) $(CFLAGS) $(POSTKEY_LDFLAGS) $(LDFLAGS)' | cmp -s - $@ || \
	  echo '$(CC) $(POSTKEY_CFLAGS) $(FORTIFY) $(CPPFLAGS) $(CFLAGS) $(POSTKEY_LDFLAGS) $(LDFLAGS)' > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(POSTKEY_CFLAGS) $(FORTIFY) $(CPPFLAGS) $(CFLAGS) $(FLAGS) -c -o $@ $<

# The interface's description, compiled in: a string constant made from the one file.
$(BUILD)/gen/interface_text.h: shared/org.postkey.Broker.varlink
	@mkdir -p $(@D)
	@sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $< > $@
$(call objects,$(BROKER_SRC)): | $(BUILD)/gen/interface_text.h

link = @echo '  LINK  $@'; mkdir -p $(@D); \
       $(CC) $(POSTKEY_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(shell pkg-config --libs $(1))

$(BUILD)/postkey-broker: $(call objects,$(BROKER_SRC) $(SHARED_SRC))
	$(call link,$(BROKER_PKG)) -lm
$(BUILD)/postkey: $(call objects,$(CLI_SRC) $(SHARED_SRC))
	$(call link,$(CLI_PKG)) -lm
$(BUILD)/$(GIT_HELPER): $(BUILD)/postkey
	@ln -sf postkey $@
$(BUILD)/postkey-send: $(call objects,$(SENDER_SRC) $(SHARED_SRC))
	$(call link,$(SENDER_PKG)) -lm
$(BUILD)/postkey-queue: $(call objects,$(QUEUE_SRC) $(SHARED_SRC)) $(call without_main,$(SENDER_SRC))
	$(call link,$(SENDER_PKG)) -lm
$(BUILD)/postkey-doctor: $(call objects,$(DOCTOR_SRC) $(SHARED_SRC)) $(call without_main,$(SENDER_SRC))
	$(call link,$(DOCTOR_PKG)) -lm
$(SIM): $(call objects,$(SIM_SRC))
	$(call link,$(SIM_PKG))
# Kills a program at one of its system calls: tests/faults.
KILLER   := $(BUILD)/tests/killer
$(KILLER): $(call objects,tests/faults/killer.c)
	@echo '  LINK  $@'; mkdir -p $(@D); $(CC) $(POSTKEY_LDFLAGS) $(LDFLAGS) -o $@ $^

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- tests ------------------------------------------------------------------------------------------------

unit_objects = $(call objects,$(filter-out $(if $(SANITIZE),tests/unit/broker/wipe.c),$(wildcard tests/unit/$(1)/*.c)))
$(BUILD)/tests/unit-shared: $(call unit_objects,shared) $(call objects,$(SHARED_SRC))
	$(call link,$(SHARED_PKG) criterion) -lm
$(BUILD)/tests/unit-broker: $(call unit_objects,broker) $(call without_main,$(BROKER_SRC)) $(call objects,$(SHARED_SRC))
	$(call link,$(BROKER_PKG) criterion) -lm
# Needs a session bus and GNOME Keyring; run by tests/e2e/run.
SESSION_TEST := $(BUILD)/tests/unit-broker-session
$(SESSION_TEST): $(call unit_objects,broker-session) $(call without_main,$(BROKER_SRC)) $(call objects,$(SHARED_SRC))
	$(call link,$(BROKER_PKG) criterion) -lm
$(BUILD)/tests/unit-cli: $(call unit_objects,cli) $(call without_main,$(CLI_SRC)) $(call objects,$(SHARED_SRC))
	$(call link,$(CLI_PKG) criterion) -lm
$(BUILD)/tests/unit-sender: $(call unit_objects,sender) $(call without_main,$(SENDER_SRC)) $(call objects,$(SHARED_SRC))
	$(call link,$(SENDER_PKG) criterion) -lm
$(BUILD)/tests/unit-doctor: $(call unit_objects,doctor) $(call without_main,$(DOCTOR_SRC)) $(call without_main,$(SENDER_SRC)) $(call objects,$(SHARED_SRC))
	$(call link,$(DOCTOR_PKG) criterion) -lm

# Loaded into a broker to move its clocks; nothing of ours is in it, so it is built without ours.
CLOCK_SHIM := $(BUILD)/tests/clock-shim.so
$(CLOCK_SHIM): tests/faults/clock_shim.c $(BUILD)/flags
	@echo '  LINK  $@'; mkdir -p $(@D); \
	  $(CC) -std=gnu17 -D_GNU_SOURCE -O2 -g $(WARNINGS) -fPIC -shared -o $@ $<

# Every fuzz target twice: with libFuzzer, and as a test that replays its corpus. Those of the broker are in targets/
# (no network: http, loopback and locate (DNS) are fakes), those of the sender in sender/ (the transport is a fake), those
# of the command postkey in cli/, those of postkey-doctor in doctor/ (no DNS).
FUZZ_SENDER  := $(basename $(notdir $(wildcard tests/fuzz/sender/*.c)))
FUZZ_BROKER  := $(basename $(notdir $(wildcard tests/fuzz/targets/*.c)))
FUZZ_CLI     := $(basename $(notdir $(wildcard tests/fuzz/cli/*.c)))
FUZZ_DOCTOR  := $(basename $(notdir $(wildcard tests/fuzz/doctor/*.c)))
FUZZ_TARGETS := $(FUZZ_BROKER) $(FUZZ_SENDER) $(FUZZ_CLI) $(FUZZ_DOCTOR)
FUZZ_CLI_OBJECTS := $(call without_main,$(CLI_SRC)) $(call objects,$(SHARED_SRC))
FUZZ_DOCTOR_OBJECTS := $(call without_main,$(DOCTOR_SRC)) $(call without_main,$(SENDER_SRC)) $(call objects,$(SHARED_SRC))
FUZZ_SENDER_OBJECTS := $(filter-out %/sender/transport.o,$(call without_main,$(SENDER_SRC))) \
                       $(call objects,$(SHARED_SRC) $(wildcard tests/fuzz/fakes-sender/*.c)) $(BUILD)/obj/tests/fuzz/fakes/scratch.o
FUZZ_OBJECTS := $(filter-out %/broker/http.o %/broker/loopback.o %/broker/locate.o %/broker/wipe.o,$(call without_main,$(BROKER_SRC))) \
                $(call objects,$(SHARED_SRC) $(wildcard tests/fuzz/fakes/*.c))
REPLAYS := $(addprefix $(BUILD)/tests/replay-,$(FUZZ_TARGETS))
$(BUILD)/tests/replay-%: $(BUILD)/obj/tests/fuzz/targets/%.o $(BUILD)/obj/tests/fuzz/replay.o $(FUZZ_OBJECTS)
	$(call link,$(BROKER_PKG)) -lm
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/targets/%.o $(BUILD)/obj/tests/fuzz/libfuzzer.o $(FUZZ_OBJECTS)
	$(call link,$(BROKER_PKG)) -fsanitize=fuzzer -lm
$(BUILD)/tests/replay-%: $(BUILD)/obj/tests/fuzz/sender/%.o $(BUILD)/obj/tests/fuzz/replay.o $(FUZZ_SENDER_OBJECTS)
	$(call link,$(SENDER_PKG)) -lm
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/sender/%.o $(BUILD)/obj/tests/fuzz/libfuzzer.o $(FUZZ_SENDER_OBJECTS)
	$(call link,$(SENDER_PKG)) -fsanitize=fuzzer -lm
$(BUILD)/tests/replay-%: $(BUILD)/obj/tests/fuzz/cli/%.o $(BUILD)/obj/tests/fuzz/replay.o $(FUZZ_CLI_OBJECTS)
	$(call link,$(CLI_PKG)) -lm
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/cli/%.o $(BUILD)/obj/tests/fuzz/libfuzzer.o $(FUZZ_CLI_OBJECTS)
	$(call link,$(CLI_PKG)) -fsanitize=fuzzer -lm
$(BUILD)/tests/replay-%: $(BUILD)/obj/tests/fuzz/doctor/%.o $(BUILD)/obj/tests/fuzz/replay.o $(FUZZ_DOCTOR_OBJECTS)
	$(call link,$(DOCTOR_PKG)) -lm
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/doctor/%.o $(BUILD)/obj/tests/fuzz/libfuzzer.o $(FUZZ_DOCTOR_OBJECTS)
	$(call link,$(DOCTOR_PKG)) -fsanitize=fuzzer -lm
.SECONDARY: $(call objects,$(wildcard tests/fuzz/*.c tests/fuzz/*/*.c))

# make fuzz SECONDS=60: each target for so long; what it finds worth keeping stays in build-fuzz/corpus.
SECONDS ?= 60
FUZZ_BUILD := $(if $(filter file,$(origin BUILD)),build-fuzz,$(BUILD))
FUZZ_MAKE = $(MAKE) --no-print-directory CC=clang SANITIZE=address,undefined,fuzzer-no-link BUILD=$(FUZZ_BUILD)
.PHONY: fuzz fuzzers fuzzers-built
fuzzers:
	+@$(FUZZ_MAKE) fuzzers-built
fuzzers-built: $(addprefix $(BUILD)/fuzz/,$(FUZZ_TARGETS))
fuzz: fuzzers
	@tests/fuzz/run $(FUZZ_BUILD) $(SECONDS) $(FUZZ_TARGETS)

# What a distribution's build can run; the rest is skipped, and named.
.PHONY: test
test: all headers layers $(UNIT_TESTS) $(REPLAYS)
	@set -e; export LSAN_OPTIONS=suppressions=tests/unit/leaks-of-others.txt:print_suppressions=0; \
	  for t in $(UNIT_TESTS); do echo "== $$t"; $$t; done
	@set -e; for t in $(FUZZ_TARGETS); do $(BUILD)/tests/replay-$$t tests/fuzz/corpus/$$t; done
	@echo '== skipped, as they need a network, D-Bus and GNOME Keyring ("make check" runs them):' \
	  unit-broker-session $(basename $(notdir $(wildcard tests/e2e/test_*.py)))

# The broker beside the limit of the machine, the sender beside msmtp, curl and Postfix. SEND: options of send.py.
BENCH ?= broker send
BENCH_RUN = POSTKEY_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/bench
BENCHES := $(addprefix $(BUILD)/bench/,latency load spawn run line)
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/obj/tests/bench/peer.o
	@echo '  LINK  $@'; mkdir -p $(@D); $(CC) $(POSTKEY_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^)
$(BUILD)/bench/line: $(BUILD)/obj/tests/bench/packet.o
.SECONDARY: $(call objects,$(wildcard tests/bench/*.c))
.PHONY: bench bench-installed
bench: deps-bench
	@$(MAKE) --no-print-directory bench-installed
bench-installed: all $(SIM) $(BENCHES)
	$(if $(filter broker,$(BENCH)),@$(BENCH_RUN)/broker.py)
	$(if $(filter send,$(BENCH)),@$(BENCH_RUN)/send.py $(SEND))

.PHONY: check
check: deps-tests deps-real
	@$(MAKE) --no-print-directory check-installed

.PHONY: check-installed
check-installed: test $(SIM) $(KILLER) $(SESSION_TEST) $(CLOCK_SHIM)
	@tests/e2e/run $(BUILD)

# Servers that other people wrote (tests/e2e/real): fetched, not installed; "make check" runs their tests with the others.
.PHONY: deps-real check-real
deps-real: deps-tests
	@tests/e2e/real/servers install
check-real: deps-real
	@$(MAKE) --no-print-directory all $(SIM) $(KILLER) $(CLOCK_SHIM)
	@tests/e2e/run $(BUILD) -m real

# With an account of yours, at your provider; LIVE: options of tests/live/live (--help).
.PHONY: live
live: all
	@test -n '$(ACCOUNT)' || { echo 'make live ACCOUNT=you@gmail.com'; exit 2; }
	@/usr/bin/python3 tests/live/live --build $(abspath $(BUILD)) $(LIVE) '$(ACCOUNT)'

# The crash test at all of its points; "make check" has a spread of them.
.PHONY: crash crash-installed
crash: deps-tests
	@$(MAKE) --no-print-directory crash-installed
crash-installed: all $(SIM) $(KILLER)
	@POSTKEY_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/faults/crash

.PHONY: demo
demo: deps-demo
	@$(MAKE) --no-print-directory demo-installed

.PHONY: demo-installed
demo-installed: all $(SIM)
	@tests/demo/demo $(BUILD)

.PHONY: deps-build deps-demo deps-tests deps-bench deps-deb
deps-build deps-demo deps-tests deps-bench deps-deb: deps-%:
	@packaging/install-dependencies $*

# ---- install ----------------------------------------------------------------------------------------------

.PHONY: install uninstall install-units uninstall-units install-desktop
# Their completions are found by the program's name.
COMPLETED := postkey postkey-send postkey-queue
MAN_PAGES := $(notdir $(wildcard docs/man/*.[1-8]))
DOC_PAGES := $(patsubst docs/%,%,$(wildcard docs/*/*.md))
install: all install-units install-desktop
	install -d $(BINDIR) $(DATADIR) $(DOCDIR)/docs
	install -m 755 $(PROGRAMS) $(BINDIR)
	ln -sf postkey $(BINDIR)/$(GIT_HELPER)
	install -m 644 shared/org.postkey.Broker.varlink shared/org.postkey.Queue.varlink $(DATADIR)
	install -m 644 README.md LICENSE $(DOCDIR)
	install -m 644 docs/*.md docs/*.svg $(DOCDIR)/docs
	for page in $(DOC_PAGES); do install -D -m 644 docs/$$page $(DOCDIR)/docs/$$page || exit 1; done
	for page in $(MAN_PAGES); do \
	  install -D -m 644 docs/man/$$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page || exit 1; done
	install -d $(addprefix $(DESTDIR),$(BASHDIR) $(ZSHDIR) $(FISHDIR))
	install -m 644 packaging/completions/_postkey $(DESTDIR)$(ZSHDIR)
	for program in $(COMPLETED); do \
	  install -m 644 packaging/completions/postkey.bash $(DESTDIR)$(BASHDIR)/$$program && \
	  install -m 644 packaging/completions/postkey.fish $(DESTDIR)$(FISHDIR)/$$program.fish || exit 1; done

install-desktop:
	install -D -m 755 packaging/desktop/postkey-notify $(DESTDIR)$(LIBDIR)/postkey-notify

# The programs' place is written into the units.
UNITS_SYSTEM := $(wildcard packaging/systemd/system/*)
UNITS_USER   := $(wildcard packaging/systemd/user/*)
install-units:
	install -d $(DESTDIR)$(SYSTEMUNITDIR) $(DESTDIR)$(USERUNITDIR) $(DESTDIR)$(SYSUSERSDIR) $(DESTDIR)$(TMPFILESDIR) \
	  $(DOCDIR)/examples
	@set -e; for unit in $(UNITS_SYSTEM) $(UNITS_USER); do \
	  case $$unit in */system/*) to=$(DESTDIR)$(SYSTEMUNITDIR);; *) to=$(DESTDIR)$(USERUNITDIR);; esac; \
	  to=$$to/$${unit##*/}; echo "install $$to"; \
	  sed 's|@BINDIR@|$(PREFIX)/bin|' $$unit > $$to; chmod 644 $$to; done
	install -m 644 packaging/systemd/sysusers.conf $(DESTDIR)$(SYSUSERSDIR)/postkey.conf
	install -m 644 packaging/systemd/tmpfiles.conf $(DESTDIR)$(TMPFILESDIR)/postkey.conf
	install -m 644 packaging/systemd/examples/* $(DOCDIR)/examples

uninstall-units:
	rm -f $(addprefix $(DESTDIR)$(SYSTEMUNITDIR)/,$(notdir $(UNITS_SYSTEM))) \
	  $(addprefix $(DESTDIR)$(USERUNITDIR)/,$(notdir $(UNITS_USER))) \
	  $(DESTDIR)$(SYSUSERSDIR)/postkey.conf $(DESTDIR)$(TMPFILESDIR)/postkey.conf

uninstall: uninstall-units
	rm -f $(addprefix $(BINDIR)/,$(notdir $(PROGRAMS)) $(GIT_HELPER)) $(DATADIR)/org.postkey.Broker.varlink $(DATADIR)/org.postkey.Queue.varlink
	rm -rf $(DOCDIR)
	rm -f $(DESTDIR)$(ZSHDIR)/_postkey $(foreach p,$(COMPLETED),$(DESTDIR)$(BASHDIR)/$p $(DESTDIR)$(FISHDIR)/$p.fish)
	rm -f $(foreach p,$(MAN_PAGES),$(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $p))/$p)
	rm -f $(DESTDIR)$(LIBDIR)/postkey-notify
	rmdir $(DATADIR) $(DESTDIR)$(LIBDIR) 2>/dev/null || true

# postkey-send under the names that programs call. Those of another mail system stay.
.PHONY: install-mta uninstall-mta
MTA_LINKS := $(DESTDIR)$(PREFIX)/sbin/sendmail $(BINDIR)/mailq $(BINDIR)/newaliases
MTA_PAGES := man8/sendmail.8 man1/mailq.1 man1/newaliases.1
install-mta: install
	@for name in $(MTA_LINKS); do \
	  if { [ -e $$name ] || [ -L $$name ]; } && [ "$$(readlink $$name)" != ../bin/postkey-send ]; then \
	    echo "make: $$name is there, and is not postkey's: remove the other mail system first" >&2; exit 1; fi; done
	install -d $(dir $(MTA_LINKS)) $(addprefix $(DESTDIR)$(MANDIR)/,man1 man8)
	for name in $(MTA_LINKS); do ln -sfn ../bin/postkey-send $$name || exit 1; done
	for page in $(MTA_PAGES); do ln -sfn ../man1/postkey-send.1 $(DESTDIR)$(MANDIR)/$$page || exit 1; done

uninstall-mta:
	@for name in $(MTA_LINKS); do \
	  if [ "$$(readlink $$name)" = ../bin/postkey-send ]; then echo "rm $$name"; rm $$name; fi; done
	@for page in $(addprefix $(DESTDIR)$(MANDIR)/,$(MTA_PAGES)); do \
	  if [ "$$(readlink $$page)" = ../man1/postkey-send.1 ]; then echo "rm $$page"; rm $$page; fi; done

# Source and binary packages of Debian, from the tree as it stands, in BUILD/deb: docs/packaging.md.
.PHONY: deb
deb: deps-deb
	@packaging/build-deb $(BUILD)/deb $(VERSION)

# The packages built twice, judged, and used in a bare system. SUITE=trixie: built there, and tried there.
.PHONY: check-package check-package-installed
SUITE ?=
check-package: deps-tests
	@$(MAKE) --no-print-directory check-package-installed
check-package-installed: $(SIM)
	@tests/package/check $(BUILD) $(VERSION) $(SUITE)

# ---- keeping it clean -------------------------------------------------------------------------------------

OURS := $(wildcard shared/*.[ch] broker/*.[ch] broker/cli/*.[ch] sender/*.[ch] sender/queue/*.[ch] sender/doctor/*.[ch] tests/sim/*.[ch] tests/unit/*/*.[ch] tests/fuzz/*.[ch] tests/fuzz/*/*.[ch] tests/bench/*.[ch] tests/faults/*.[ch])

# Lower layers never include higher ones, broker and sender never each other, no circles.
.PHONY: layers
layers:
	@tests/lint/layers

# Every header compiles alone.
HEADERS := $(wildcard shared/*.h broker/*.h broker/cli/*.h sender/*.h sender/queue/*.h sender/doctor/*.h)
.PHONY: headers
headers: $(patsubst %.h,$(BUILD)/headers/%.ok,$(HEADERS))
$(BUILD)/headers/shared/%.ok:     private FLAGS = $(INC_shared) $(call pkg,$(SHARED_PKG))
$(BUILD)/headers/broker/%.ok:     private FLAGS = $(INC_broker) $(call pkg,$(BROKER_PKG))
$(BUILD)/headers/broker/cli/%.ok: private FLAGS = $(INC_cli) $(call pkg,$(CLI_PKG))
$(BUILD)/headers/sender/%.ok:     private FLAGS = $(INC_sender) $(call pkg,$(SENDER_PKG))
$(BUILD)/headers/sender/queue/%.ok: private FLAGS = $(INC_queue) $(call pkg,$(SENDER_PKG))
$(BUILD)/headers/sender/doctor/%.ok: private FLAGS = $(INC_doctor) $(call pkg,$(DOCTOR_PKG))
$(BUILD)/headers/%.ok: %.h $(HEADERS) $(BUILD)/flags
	@mkdir -p $(@D)
	@$(CC) $(filter-out -MMD -MP,$(POSTKEY_CFLAGS)) $(FLAGS) -fsyntax-only -include $< -x c /dev/null
	@touch $@

.PHONY: lint
lint: layers headers
	+@tests/lint/lint $(BUILD)

.PHONY: help
help:
	@sed -n '/^$$/q; s/^# \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

.PHONY: format
format:
	clang-format -i $(OURS)

.PHONY: clean
clean:
	rm -rf $(sort $(BUILD) $(BUILD)-clang build build-clang build-sanitize build-sanitize-clang build-fuzz build-real)
