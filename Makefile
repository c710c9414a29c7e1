# What a user calls:  make, make test, make demo.  All of it works in build/.

NGINX_SOURCE   ?= /usr/share/nginx/src
BUILD          := $(CURDIR)/build
MODULE         := $(BUILD)/ngx_http_token_revoke_module.so
PROVE          ?= prove
FUZZ_SECONDS   ?= 20

CORE           := $(wildcard src/core/*.c)
SOURCES        := config ngx_http_token_revoke_module.c \
                  $(wildcard src/*/*.c src/*/*.h src/lua/*.lua)

PACKAGES       := nginx nginx-dev libhiredis-dev libjansson-dev libssl-dev \
                  libcmocka-dev redis-server redis-tools clang \
                  libclang-rt-14-dev gcc libc6-dev make dpkg-dev curl \
                  nghttp2-client perl apache2-utils strace binutils procps \
                  libpcre2-dev zlib1g-dev universal-ctags

.PHONY: all packages module static unit fuzz test test-sanitized demo clean

all: packages
	@$(MAKE) --no-print-directory module

# installs what is missing, when that is allowed
packages:
	@sh t/lib/packages.sh $(PACKAGES)

module: $(MODULE)

$(MODULE): $(SOURCES)
	bash t/lib/build_module.sh $(NGINX_SOURCE) $(BUILD)/nginx $@

clean:
	rm -rf $(BUILD)
