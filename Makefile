# retraind.  `make help` lists the targets.
#
# The order of the next two lines is the architecture: a floor may use only
# the floors to its left, and what stands in PURE reaches no clock, no socket,
# no file and no random source.  `make floors` proves both.
PURE   := base expr event signal rules decide flow replay
FLOORS := $(PURE) io store source sink exec turn api

VERSION := 0.1.0
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
B       ?= build
SAN     ?=
PREFIX  ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
PYTHON  ?= python3

# pkg-config module, and the Debian package that brings it.
PURE_MODULES  := glib-2.0:libglib2.0-dev yaml-0.1:libyaml-dev jansson:libjansson-dev \
	libpcre2-8:libpcre2-dev
WORLD_MODULES := rdkafka:librdkafka-dev libmosquitto:libmosquitto-dev sqlite3:libsqlite3-dev \
	libmicrohttpd:libmicrohttpd-dev libcurl:libcurl4-openssl-dev libzstd:libzstd-dev
TEST_MODULES  := cmocka:libcmocka-dev
module = $(firstword $(subst :, ,$(1)))

PURE_PC  := $(foreach m,$(PURE_MODULES),$(call module,$(m)))
WORLD_PC := $(foreach m,$(WORLD_MODULES),$(call module,$(m)))
PC_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PURE_PC) $(WORLD_PC) 2>/dev/null))
PURE_LIBS  := $(shell pkg-config --libs $(PURE_PC) 2>/dev/null) -lm
WORLD_LIBS := $(shell pkg-config --libs $(WORLD_PC) 2>/dev/null) -lev
SYSTEMD    := $(shell pkg-config --exists libsystemd 2>/dev/null && echo yes)
ifeq ($(SYSTEMD),yes)
WORLD_LIBS += -lsystemd
CPPFLAGS   += -DHAVE_SYSTEMD
endif
LDLIBS := $(WORLD_LIBS) $(PURE_LIBS) -lpthread
IS_CLANG := $(shell $(CC) --version 2>/dev/null | grep -c clang)

WARN := -Wall -Wextra -Wformat=2 -Wformat-security -Werror=format-security -Wconversion \
	-Wsign-conversion -Wimplicit-fallthrough -Wshadow -Wstrict-prototypes -Wvla \
	-Wnull-dereference -Werror=implicit -Werror=incompatible-pointer-types \
	-Werror=int-conversion
HARD := -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
	-fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing -fPIE
ifeq ($(IS_CLANG),0)
WARN += -Wtrampolines -Wbidi-chars=any
HARD += -ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr
endif
ifeq ($(SAN),)
HARD += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
else
HARD += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS += -fsanitize=$(SAN)
endif
# The floors' small functions are inlined into each other when a program is linked: an
# event costs an eighth less. Unit tests link the same objects without it, being many.
LTO :=
ifeq ($(SAN)$(IS_CLANG),0)
LTO := -flto=auto -ffat-lto-objects
endif
WERROR ?=
CFLAGS   ?= -O2 -g
CFLAGS   += -std=c11 -ffp-contract=off $(WARN) $(HARD) $(LTO) $(if $(WERROR),-Werror)
CPPFLAGS += -D_GNU_SOURCE -DRETRAIND_VERSION='"$(VERSION)"' -DPREFIX='"$(PREFIX)"' \
	-Iinclude -Isrc $(PC_CFLAGS)
LDFLAGS  += -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed \
	-Wl,--no-copy-dt-needed-entries
ifneq ($(V),1)
Q := @
endif

ARCHIVES  := $(FLOORS:%=$(B)/lib%.a)
CMD_SHARED := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/cmd/config*.c) \
	src/cmd/fingerprint.c)
CTL_OBJS  := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/cmd/retrainctl/*.c))
DAEMON_OBJS := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/cmd/retraind*.c))
SHIM_OBJS := $(patsubst src/%.c,$(B)/%.o,$(wildcard src/cmd/shim*.c))
PROGRAMS  := $(if $(DAEMON_OBJS),$(B)/retraind) $(if $(CTL_OBJS),$(B)/retrainctl) \
	$(if $(SHIM_OBJS),$(B)/retrain-shim)
# tests/unit/FLOOR/test_NAME.c links the floors up to FLOOR and nothing more.
UNIT_SRC  := $(wildcard tests/unit/*/test_*.c)
UNITS     := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT_SRC))
# tests/tools/NAME.c: programs that tests use (mock cluster, feeders); all floors.
TOOLS     := $(patsubst tests/tools/%.c,$(B)/tests/%,$(wildcard tests/tools/*.c))
# tests/preload/NAME.c: libraries that tests put before libc; never with a sanitizer.
PRELOADS  := $(patsubst tests/preload/%.c,$(B)/tests/%.so,$(wildcard tests/preload/*.c))

.DEFAULT_GOAL := all
.PHONY: all tests test t torture bench benches demo floors lint help install clean deps docs check-deps check-test-deps force
.SECONDARY:
all: check-deps $(PROGRAMS)  ## build retraind, retrainctl and retrain-shim

# A changed compiler, sanitizer or flag rebuilds everything.
FLAGS_NOW := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
$(B)/flags: force
	$(call stamp,$(FLAGS_NOW))
force:
# A file that changes only when the words that it holds do.
stamp = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' >$@.new.$$$$; \
	if cmp -s $@.new.$$$$ $@; then rm -f $@.new.$$$$; else mv $@.new.$$$$ $@; fi

$(B)/%.o: src/%.c $(B)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# The list makes an archive new when one of its sources goes away.
$(B)/%.list: force
	$(call stamp,$(wildcard src/$*/*.c))
define floor
$(B)/lib$(1).a: $(patsubst src/%.c,$(B)/%.o,$(wildcard src/$(1)/*.c)) $(B)/$(1).list
	$$(Q)mkdir -p $$(@D); rm -f $$@; $$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach f,$(FLOORS),$(eval $(call floor,$(f))))

# What decides, as 12 digits: part of the fingerprint (promise G12).
$(B)/code_id: $(PURE:%=$(B)/lib%.a)
	@cat $^ | sha256sum | cut -c1-12 >$@
$(B)/cmd/fingerprint.o: src/cmd/fingerprint.c $(B)/code_id
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC $<")
	$(Q)$(CC) $(CPPFLAGS) -DCODE_ID='"'$$(cat $(B)/code_id)'"' $(CFLAGS) -MMD -MP -c $< -o $@

# Archives from right to left, as the linker resolves them.
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
ALL_ARCHIVES := $(call reverse,$(ARCHIVES))

$(B)/retraind: $(DAEMON_OBJS) $(CMD_SHARED) $(ARCHIVES)
	$(if $(Q),@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(DAEMON_OBJS) $(CMD_SHARED) $(ALL_ARCHIVES) $(LDLIBS) -o $@
$(B)/retrainctl: $(CTL_OBJS) $(CMD_SHARED) $(ARCHIVES)
	$(if $(Q),@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(CTL_OBJS) $(CMD_SHARED) $(ALL_ARCHIVES) $(LDLIBS) -o $@
# The shim needs base alone: it must start fast and outlive the daemon.
$(B)/retrain-shim: $(SHIM_OBJS) $(B)/libbase.a
	$(if $(Q),@echo "  LD $@")
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SHIM_OBJS) $(B)/libbase.a $(PURE_LIBS) -o $@

# A unit test links its own floor and those to the left of it.
upto = $(if $(filter $(1),$(firstword $(2))),$(firstword $(2)),$(firstword $(2)) \
	$(call upto,$(1),$(wordlist 2,$(words $(2)),$(2))))
define unit
$(B)/tests/unit/$(1): tests/unit/$(1).c $(B)/flags \
		$(foreach f,$(call upto,$(firstword $(subst /, ,$(1))),$(FLOORS)),$(B)/lib$(f).a)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  LD $$@")
	$$(Q)$$(CC) $$(CPPFLAGS) -Itests $$(CFLAGS) $$(if $$(LTO),-fno-lto) $$(LDFLAGS) \
		-MMD -MP -MF $$@.d $$< $$(call reverse,$$(filter %.a,$$^)) -lcmocka $$(LDLIBS) -o $$@
endef
$(foreach u,$(UNIT_SRC:tests/unit/%.c=%),$(eval $(call unit,$(u))))
$(B)/tests/%: tests/tools/%.c $(B)/flags $(ARCHIVES) $(CMD_SHARED)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD $@")
	$(Q)$(CC) $(CPPFLAGS) -Itests -Itests/tools $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d $< \
		$(filter %.o,$^) $(ALL_ARCHIVES) $(LDLIBS) -o $@
# What a tool has beside its own file.
$(B)/tests/tools/%.o: tests/tools/%.c $(B)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC $<")
	$(Q)$(CC) $(CPPFLAGS) -Itests/tools $(CFLAGS) -MMD -MP -c $< -o $@
$(B)/tests/power_loss: $(patsubst tests/%.c,$(B)/tests/%.o,$(wildcard tests/tools/power/*.c))
$(B)/tests/vectors: $(patsubst tests/%.c,$(B)/tests/%.o,$(wildcard tests/tools/vectors/*.c))

# Runs of many samples: without a sanitizer, and the detectors alone.
STATISTICS := tests/tools/statistics.c src/base/check.c $(wildcard src/signal/detect*.c \
	$(addprefix src/signal/,baseline.c distance.c special.c test.c))
$(B)/tests/statistics: $(STATISTICS) $(wildcard src/signal/*.h) $(B)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD $@")
	$(Q)$(CC) $(CPPFLAGS) -std=c11 -O2 -ffp-contract=off $(WARN) $(STATISTICS) \
		$(PURE_LIBS) -o $@

# Minute after minute around every change of every clock: likewise.
ZONES := tests/tools/zones.c $(addprefix src/rules/,cron.c cron_day.c schedule.c) \
	$(wildcard src/base/*.c)
$(B)/tests/zones: $(ZONES) $(wildcard src/base/*.h src/rules/*.h) $(B)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD $@")
	$(Q)$(CC) $(CPPFLAGS) -std=c11 -O2 -ffp-contract=off $(WARN) $(ZONES) $(PURE_LIBS) -o $@

# bench/NAME.c: programs of `make bench`; all floors.  What is started as a step is
# static, so that its start costs no more than it must.
BENCHES := $(patsubst bench/%.c,$(B)/bench/%,$(wildcard bench/*.c))
$(B)/bench/child $(B)/bench/empty_shim: $(B)/bench/%: bench/%.c $(B)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD $@")
	$(Q)$(CC) $(CPPFLAGS) -std=c11 -O2 $(WARN) -static $< -o $@
$(B)/bench/%: bench/%.c $(B)/flags $(ARCHIVES) $(CMD_SHARED)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD $@")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d $< $(CMD_SHARED) \
		$(ALL_ARCHIVES) $(LDLIBS) -o $@

$(B)/tests/%.so: tests/preload/%.c $(B)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD $@")
	$(Q)$(CC) -D_GNU_SOURCE -std=c11 -O2 -g $(WARN) -fPIC -shared -MMD -MP -MF $@.d $< -o $@

check-test-deps: check-deps
	@for m in $(TEST_MODULES); do pkg-config --exists $${m%%:*} || { echo "missing library" \
		"$${m%%:*}: apt-get install $${m#*:} (or: scripts/deps --tests)"; exit 1; }; done

tests: check-test-deps $(PROGRAMS) $(UNITS) $(TOOLS) $(PRELOADS)  ## build the test programs

test:  ## install what tests need, build with sanitizers, run the whole suite
	@scripts/deps --tests
	$(Q)$(MAKE) --no-print-directory B=$(B)/san SAN=address,undefined -j$$(nproc) tests
	@$(PYTHON) tests/run --build $(B)/san

t: ## run one test: make t T=name
	$(Q)$(MAKE) --no-print-directory B=$(B)/san SAN=address,undefined -j$$(nproc) tests
	@$(PYTHON) tests/run --build $(B)/san --only '$(T)'

torture:  ## the long runs: kills, power loss, faults (P=name for one, SEED=, MINUTES=)
	@scripts/deps --tests
	$(Q)$(MAKE) --no-print-directory B=$(B) -j$$(nproc) tests
	$(Q)$(MAKE) --no-print-directory B=$(B)/san SAN=address,undefined -j$$(nproc) tests
	@TORTURE=1 RETRAIN_SAN_BUILD=$(abspath $(B)/san) $(PYTHON) tests/run --build $(B) \
		--only 'torture/$(if $(P),test_$(P))'

benches: $(BENCHES)
# B given on the command line is a row, unless a build lives there.
BENCH_ROW := $(if $(filter command,$(firstword $(origin B))),$(if $(wildcard $(B)/flags),,$(B)))
BENCH_B   := $(if $(BENCH_ROW),build,$(B))
bench:  ## speed beside its limits, one table (B=name for one row, ROUNDS=)
	@scripts/deps --tests
	$(Q)$(MAKE) --no-print-directory B=$(BENCH_B) -j$$(nproc) all benches
	@RETRAIN_BUILD=$(abspath $(BENCH_B)) $(PYTHON) bench/run $(BENCH_ROW)

demo:  ## install, build and show the whole product at work (KAFKA=real, KEEP=1)
	@scripts/deps
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all $(B)/tests/kafka_mock
	@KAFKA='$(KAFKA)' KEEP='$(KEEP)' KAFKA_BOOTSTRAP='$(KAFKA_BOOTSTRAP)' \
		$(PYTHON) scripts/demo.py --build $(B)

deps:  ## install the Debian packages that building needs
	@scripts/deps

check-deps:
	@for m in $(PURE_MODULES) $(WORLD_MODULES); do pkg-config --exists $${m%%:*} || \
	{ echo "missing library $${m%%:*}: apt-get install $${m#*:} (or: make deps)"; bad=1; }; \
	done; test -z "$$bad" || exit 1
	@test -f /usr/include/ev.h || { echo "missing library libev: apt-get install libev-dev (or: make deps)"; exit 1; }

floors:  ## prove that floors only look down and that the pure floors are pure
	@MAKE='$(MAKE)' PURE='$(PURE)' FLOORS='$(FLOORS)' LIBS='$(LDLIBS)' \
		PURE_LIBS='$(PURE_LIBS)' scripts/floors

lint:  ## size budgets, includes, head comments, banned calls
	@$(PYTHON) scripts/lint.py

docs: all  ## regenerate docs and config from the option tables
	@scripts/gen-docs $(B)

install: all  ## install under $(DESTDIR)$(PREFIX), with a systemd unit
	@B='$(B)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' DESTDIR='$(DESTDIR)' scripts/install

clean:  ## remove the build directory
	rm -rf $(B)

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | \
		awk -F'\t' '{printf "  %-10s %s\n", $$1, $$2}'
	@echo; echo "  variables: CC=$(CC) SAN=$(SAN) B=$(B) V=1 WERROR=1"; echo; echo "  libraries:"
	@for m in $(PURE_MODULES) $(WORLD_MODULES) $(TEST_MODULES); do \
		printf '    %-16s %s\n' $${m%%:*} "$$(pkg-config --modversion $${m%%:*} 2>/dev/null || \
		echo "missing: apt-get install $${m#*:}")"; done

-include $(shell find $(B) -name '*.d' 2>/dev/null)
