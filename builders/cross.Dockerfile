# The stage `toolchain` of the Dockerfile beside this file, for a Python of another architecture than the engine's: the
# compilers run natively, only what they make is foreign. The Dockerfile's stage `python` follows it unchanged.
#
# It starts from the engine's own image of the same Python, because a cross-compilation needs one to run. The links below
# have the names of native tools: so _sysconfigdata, which extension modules are built with, is that of a native compilation.
FROM ${NATIVE} AS toolchain
ARG CROSS_ARCHITECTURE
ARG CROSS_TRIPLET
ARG CROSS_PACKAGES
ARG REVISION
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    mv /opt/python /opt/build-python; \
    dpkg --add-architecture ${CROSS_ARCHITECTURE}; \
    apt-get update; \
    apt-get install --yes ${CROSS_PACKAGES}; \
    rm -rf /var/lib/apt/lists/*; \
    mkdir /opt/cross; \
    for tool in ar as cpp g++ gcc ld nm objcopy objdump ranlib readelf strip; do \
        ln -s /usr/bin/${CROSS_TRIPLET}-$tool /opt/cross/$tool; \
    done
# What configure would find out by running a program: facts about glibc. Without them it assumes the worst, for example
# that memory must be aligned, and chooses another hash for str. Tested: pyconfig.h is that of a native compilation.
RUN printf '%s\n' > /opt/cross/config.site \
        CC=gcc CXX=g++ AR=ar RANLIB=ranlib READELF=readelf PKG_CONFIG=pkg-config \
        ac_cv_aligned_required=no ac_cv_broken_nice=no ac_cv_broken_poll=no ac_cv_broken_sem_getvalue=no \
        ac_cv_buggy_getaddrinfo=no ac_cv_computed_gotos=yes ac_cv_file__dev_ptc=no ac_cv_file__dev_ptmx=yes \
        ac_cv_have_chflags=no ac_cv_have_lchflags=no ac_cv_posix_semaphores_enabled=yes \
        ac_cv_pthread_system_supported=yes ac_cv_rshift_extends_sign=yes \
        ac_cv_wchar_t_signed=no ac_cv_working_tzset=yes
ENV PATH=/opt/cross:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PKG_CONFIG_LIBDIR=/usr/lib/${CROSS_TRIPLET}/pkgconfig:/usr/share/pkgconfig \
    CONFIG_SITE=/opt/cross/config.site
