# What a user calls:  make, make test, make demo.  All of it works in build/.

NGINX_SOURCE   ?= /usr/share/nginx/src
BUILD          := $(CURDIR)/build
MODULE         := $(BUILD)/ngx_http_token_revoke_module.so
INSPECT        := $(BUILD)/trv-inspect
SANITIZED      := $(BUILD)/sanitized/nginx
BROWSER        := $(BUILD)/browser/node_modules/.package-lock.json
PROVE          ?= prove --timer

SOURCES        := config ngx_http_token_revoke_module.c \
                  $(wildcard src/*/*.c src/*/*.h src/lua/*.lua)

# to build it and for the demo; for the tests, besides

PACKAGES       := nginx nginx-dev gcc libc6-dev libhiredis-dev libjansson-dev \
                  libssl-dev libpcre2-dev zlib1g-dev redis-server perl \
                  curl

TEST_PACKAGES  := libcmocka-dev redis-tools clang libclang-rt-14-dev dpkg-dev \
                  nghttp2-client apache2-utils openssl strace binutils procps \
                  universal-ctags valgrind prometheus chromium \
                  fonts-dejavu-core node=nodejs npm=npm

.PHONY: all packages test-packages module next unit fuzz fuzz-programs \
        fuzz_nginx sanitized browser test soak mutants bench bench-quick \
        bench-programs deb deb-test docker-test readme-test demo clean

all: packages
	@$(MAKE) --no-print-directory module

# installs what is missing, when that is allowed
packages:
	@sh t/lib/packages.sh $(PACKAGES)

test-packages:
	@sh t/lib/packages.sh $(PACKAGES) $(TEST_PACKAGES)

module: $(MODULE) $(INSPECT)

$(MODULE): $(SOURCES)
	bash t/lib/build_module.sh $(NGINX_SOURCE) $(BUILD)/nginx $@

# for operators: looks into a replica

$(INSPECT): tools/trv-inspect.c $(wildcard src/core/*.[ch])
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -g -O2 -Wall -Wextra -Werror -Isrc/core -o $@ $< \
	    $(filter src/core/%.c,$^) -ljansson -lhiredis -lcrypto

# the same with another version of the files, for tests of upgrades

NEXT           := $(BUILD)/next/ngx_http_token_revoke_module.so

next: $(NEXT)

$(NEXT): $(SOURCES) t/lib/build_next.sh
	bash t/lib/build_next.sh $(NGINX_SOURCE) $(BUILD)/next $@

sanitized: $(SANITIZED)

$(SANITIZED): $(SOURCES) t/lib/build_sanitized.sh
	bash t/lib/build_sanitized.sh $(BUILD)/sanitized

# what drives Chromium in t/console_*.t
browser: $(BROWSER)

$(BROWSER): t/browser/package.json t/browser/package-lock.json
	@mkdir -p $(BUILD)/browser
	cp $^ $(BUILD)/browser
	cd $(BUILD)/browser && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@


# src/core once for each way of looking at it, and the programs that do

TEST_CC        := clang
TEST_CFLAGS    := -std=gnu11 -g -O1 -fno-omit-frame-pointer \
                  -Wall -Wextra -Werror -Isrc/core
TEST_LIBS      := -lcmocka -ljansson -lhiredis -lcrypto -lpthread

CORE           := $(wildcard src/core/*.c)
HEADERS        := $(wildcard src/core/*.h t/unit/*.h t/fuzz/*.h)

FLAGS_unit     := -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_stress   := -O2
FLAGS_thread   := -O2 -fsanitize=thread
FLAGS_fuzz     := -fsanitize=fuzzer-no-link,address,undefined \
                  -fno-sanitize-recover=all

programs = $(patsubst t/$(1)/%.c,$(BUILD)/$(2)/%,$(wildcard t/$(1)/$(3).c))

UNIT           := $(call programs,unit,unit,*_test) \
                  $(BUILD)/stress/trv_replica_stress \
                  $(BUILD)/thread/trv_table_stress \
                  $(BUILD)/thread/trv_tries_stress
FUZZ           := $(call programs,fuzz,fuzz,trv_*_fuzz)

define flavour
$(BUILD)/$(1)/core/%.o: src/core/%.c $(HEADERS)
	@mkdir -p $$(@D)
	$(TEST_CC) $(TEST_CFLAGS) $(FLAGS_$(1)) -c -o $$@ $$<

$(BUILD)/$(1)/%: t/$(2)/%.c $(CORE:src/core/%.c=$(BUILD)/$(1)/core/%.o)
	$(TEST_CC) $(TEST_CFLAGS) $(FLAGS_$(1)) $(3) -o $$@ $$^ $(TEST_LIBS)
endef

$(eval $(call flavour,unit,unit))
$(eval $(call flavour,stress,unit))
$(eval $(call flavour,thread,unit))
$(eval $(call flavour,fuzz,fuzz,-fsanitize=fuzzer))

unit: $(UNIT)

fuzz-programs: $(FUZZ)

# the target that has a whole nginx in it, out of what the sanitized one is
# made of

FUZZ_NGINX     := $(BUILD)/fuzz/ngx_http_trv_access_fuzz

fuzz_nginx: $(FUZZ_NGINX)

$(FUZZ_NGINX): t/fuzz/ngx_http_trv_access_fuzz.c $(SANITIZED)
	@mkdir -p $(@D)
	bash t/lib/build_fuzz_nginx.sh $(BUILD)/sanitized/source $< $@

# all of them, for longer than the tests do: make fuzz SECONDS=600

SECONDS        := 60

fuzz: test-packages
	@$(MAKE) --no-print-directory -j$$(nproc) fuzz-programs > /dev/null
	@$(MAKE) --no-print-directory fuzz_nginx
	TRV_FUZZ_SECONDS=$(SECONDS) $(PROVE) -v t/fuzz


# t/unit and t/fuzz run the programs, t/*.t is about behaviour: once with the
# distribution's nginx, once with one that watches every byte

test: test-packages
	@$(MAKE) --no-print-directory -j$$(nproc) module next unit fuzz-programs $(BUILD)/bench/check > /dev/null
	@$(MAKE) --no-print-directory fuzz_nginx browser
	$(PROVE) -j$$(nproc) -r t
	TRV_NGINX=$(SANITIZED) $(PROVE) -j$$(nproc) t

# the long forms of tests that have one, and faults picked at random: make soak
# MINUTES=60, and SEED=... to have the same ones again

MINUTES        ?= 30
SEED           ?=

soak: test-packages
	@$(MAKE) --no-print-directory -j$$(nproc) module unit > /dev/null
	TRV_SOAK=1 TRV_TEST_TIMEOUT=7200 $(PROVE) t/unit \
	    $$(grep -l TRV_SOAK t/*.t)
	TRV_MINUTES=$(MINUTES) SEED=$(SEED) $(PROVE) t/fault_random.t

# the Debian package, and what comes of installing it in a fresh Debian
deb: packages
	@sh t/lib/packages.sh debhelper lintian
	@sh tools/deb.sh $(BUILD)/deb

deb-test: deb
	@sh t/lib/packages.sh debootstrap iproute2
	@bash tools/deb-test.sh $(BUILD)/deb

# the images, and a fleet of containers made of them
docker-test:
	@sh t/lib/packages.sh debootstrap buildah podman podman-compose runc \
	    netavark aardvark-dns iptables iproute2
	@bash docker/test.sh $(BUILD)/docker

# what README.md says, word by word, in a fresh Debian
readme-test:
	@sh t/lib/packages.sh debootstrap iproute2
	@bash tools/readme-test.sh $(BUILD)/readme

# for editors
compile_commands.json: $(SOURCES)
	@sh t/lib/packages.sh bear
	rm -rf $(BUILD)/bear
	bear --output $(BUILD)/compile_commands.json -- \
	    bash t/lib/build_module.sh $(NGINX_SOURCE) $(BUILD)/bear $(BUILD)/bear/ngx_http_token_revoke_module.so
	ln -sf $(BUILD)/compile_commands.json $@

# plants defects and shows that the tests catch them
mutants: test-packages
	@perl t/mutants/run.pl $(NAMES)

# measurements: bench/README.md; what is built for them is built as the module

BENCH          := $(addprefix $(BUILD)/bench/,check tokens watch call crowd \
                              counters witness hold.so ngx_http_trv_probe_module.so)

BENCH_PACKAGES := wrk haproxy libnginx-mod-http-lua libnginx-mod-http-js \
                  lua-nginx-redis lua-resty-core linux-perf util-linux

BENCH_CFLAGS   := -std=gnu11 -g -O2 -Wall -Wextra -Werror -Isrc/core

$(BUILD)/bench/core/%.o: src/core/%.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -fPIC -c -o $@ $<

$(BUILD)/bench/%.so: bench/%.c bench/clock.h bench/hold.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -shared -fPIC -o $@ $<

$(BUILD)/bench/%_module.so: bench/probe/%_module.c bench/probe/config
	bash t/lib/build_module.sh $(NGINX_SOURCE) $(BUILD)/bench/probe $@ bench/probe

$(BUILD)/bench/%: bench/%.c bench/tokens.h \
                  $(CORE:src/core/%.c=$(BUILD)/bench/core/%.o)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter-out %.h,$^) \
	    -lcrypto -lhiredis -ljansson

$(BUILD)/bench/witness: bench/witness.c bench/clock.h bench/hold.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $<

$(BUILD)/bench/call: bench/call.c bench/call_list.c bench/call_list.h \
                     bench/clock.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) -lssl -lcrypto -lpthread

# has nginx's own types and the counters of src/event
$(BUILD)/bench/counters: bench/counters.c bench/clock.h $(MODULE)
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -Isrc/event $(addprefix -I$(BUILD)/nginx/,\
	    src/core src/event src/event/modules src/os/unix objs) \
	    -o $@ $< -lpthread

# the scripts as the module has them

BENCH_LUA      := $(BUILD)/nginx/objs/trv_lua.h

$(BENCH_LUA): $(MODULE) ;

$(BUILD)/bench/crowd: BENCH_CFLAGS += -I$(dir $(BENCH_LUA))
$(BUILD)/bench/crowd: $(wildcard bench/crowd_*.c bench/crowd*.h) bench/clock.h \
                      $(BENCH_LUA)

bench-programs: module $(BENCH)

bench: test-packages
	@sh t/lib/packages.sh $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory bench-programs > /dev/null
	@perl bench/run.pl

bench-quick: export BENCH_QUICK = 1
bench-quick: bench

demo: all
	@perl t/lib/demo.pl

clean:
	rm -rf $(BUILD)

.SECONDARY:
