"""Headers, libraries and programs that every builder has, or that no Linux has."""

import re
from typing import Final

_C: Final = """
a.out aio aliases alloca ar argp argz assert byteswap complex cpio crypt ctype dirent dlfcn elf endian envz err
errno error execinfo fcntl features features-time64 fenv fmtmsg fnmatch fpu_control fstab fts ftw gconv getopt glob
gnu-versions grp gshadow iconv ieee754 ifaddrs inttypes langinfo lastlog libgen libintl limits link locale malloc
math mcheck memory mntent monetary mqueue netdb nl_types nss obstack paths poll printf proc_service pthread pty pwd
re_comp regex regexp resolv sched search semaphore setjmp sgtty shadow signal spawn stab stdc-predef stdint stdio
stdio_ext stdlib string strings syscall sysexits syslog tar termio termios tgmath thread_db threads time ttyent
uchar ucontext ulimit unistd utime utmp utmpx values wait wchar wctype wordexp xlocale ustat varargs stropts
acc_prof backtrace cet cpuid float gcov iso646 mm3dnow mm_malloc omp openacc quadmath quadmath_weak stdalign stdarg
stdatomic stdbool stddef stdfix stdnoreturn syslimits unwind cxxabi arm_neon arm_acle arm_sve arm_bf16 arm_fp16
altivec vecintrin vec_types msa lasxintrin lsxintrin stdbit stdckdint
"""
_OTHERS: Final = """
windows winsock winsock2 ws2tcpip mswsock io direct process tchar conio intrin dbghelp shlobj shlwapi psapi wincrypt
winbase winnt windef winuser winioctl winreg winerror crtdbg sal specstrings malloc_np objbase ole2 oleauto oleidl
initguid setupapi cfgmgr32 hidsdi hidclass hidpi devguid iphlpapi tlhelp32 winternl ntstatus bcrypt sspi security
schannel dwmapi vfw comdef atlbase atlstr combaseapi comutil basetsd excpt wtypes winver versionhelpers fileapi
handleapi synchapi processthreadsapi float_ieee unknwn mmsystem mmreg mmdeviceapi audioclient ksmedia dsound dinput
xinput dshow d3d9 d3d11 dxgi d2d1 dwrite gdiplus wingdi winspool commctrl commdlg shellapi timeapi afunix netioapi
netfw pdh powrprof wlanapi bthdef bluetoothapis wtsapi32 lm lmaccess userenv aclapi accctrl sddl ntsecapi ntdef
ntddndis winsvc evntrace evntcons TargetConditionals Availability AvailabilityMacros libproc copyfile MacTypes
crt_externs launch xpc sandbox membership libutil util kvm devstat malloc_debug floatingpoint kstat procfs sysconf
pthread_np getopt_port vis stdlib_np bsm zone kernel be OS Drivers sunmath ieeefp emmintrin_port android fiber
builtin types_port emscripten proto/exec proto/dos dos stddefx unixlib descrip starlet lib$routines ssdef jpidef
ndir
"""
_PYTHON: Final = """
Python abstract bltinmodule boolobject bytearrayobject bytesobject ceval codecs compile complexobject datetime
descrobject dictobject dynamic_annotations enumobject errcode exports fileobject fileutils floatobject frameobject
genericaliasobject import intrcheck iterobject listobject longobject marshal memoryobject methodobject modsupport
moduleobject object objimpl opcode opcode_ids osdefs osmodule patchlevel py_curses pybuffer pycapsule pyconfig
pydtrace pyerrors pyexpat pyframe pyhash pylifecycle pymacconfig pymacro pymath pymem pyport pystate pystats
pystrcmp pystrtod pythonrun pythread pytypedefs rangeobject setobject sliceobject structmember structseq sysmodule
token traceback tracemalloc tupleobject typeslots unicodeobject warnings weakrefobject refcount critical_section
lock audit monitoring intobject stringobject classobject longintrepr cStringIO cobject bufferobject fileobject node
graminit eval code funcobject genobject parsetok symtable ucnhash asdl ast Python-ast pyarena pyctype pyatomic
pymactoolbox pygetopt pyfpe py_cobject pgen pgenheaders metagrammar bitset dictobject_impl datetime_api cellobject
opcode_targets namespaceobject odictobject picklebufobject interpreteridobject context pycairo py3cairo pygobject
pybind11 nanobind greenlet wrapper ffi_cdef lxml.etree_api etree_defs etree lxml-version HPy hpy sip cppy
ndarrayobject
"""
_CXX: Final = """
algorithm any array atomic barrier bit bitset cassert ccomplex cctype cerrno cfenv cfloat charconv chrono cinttypes
ciso646 climits clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal
cstdalign cstdarg cstdbool cstddef cstdint cstdio cstdlib cstring ctgmath ctime cuchar cwchar cwctype deque
exception execution expected filesystem flat_map flat_set format forward_list fstream functional future generator
initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map mdspan memory
memory_resource mutex new numbers numeric optional ostream print queue random ranges ratio regex scoped_allocator
semaphore set shared_mutex source_location span spanstream sstream stack stacktrace stdexcept stop_token streambuf
string string_view strstream syncstream system_error text_encoding thread tuple type_traits typeindex typeinfo
unordered_map unordered_set utility valarray variant vector version hash_map hash_set slist iostream.h stdfloat
"""
_PRESENT_HEADERS: Final = frozenset([*(f"{name}.h" for name in f"{_C} {_OTHERS} {_PYTHON}".split()), *_CXX.split()])
_FOLDERS: Final = re.compile(
    r"(?:arpa|asm|asm-generic|bits|finclude|gnu|linux|misc|mtd|net|netash|netatalk|netax25|neteconet|netinet6?|netipx|netiucv|"
    r"netpacket|netrom|netrose|nfs|protocols|rdma|rpc|scsi|sound|sys|video|xen|sanitizer|backward|debug|decimal|experimental|"
    r"ext|parallel|pstl|tr1|tr2|machine|"
    # Python's own, and those of build requirements from PyPI.
    r"cpython|internal|numpy|pybind11|nanobind|greenlet|pycairo|cppy|torch|ATen|c10|c10d|caffe2|pyarrow|arrow|tensorflow|jaxlib|"
    r"xla|mpi4py|pythran|tvm|xtensor-python|lxml|"
    # macOS, Windows and the BSDs.
    r"mach|mach-o|CoreFoundation|CoreServices|CoreAudio|CoreMIDI|CoreGraphics|CoreText|CoreVideo|CoreMedia|CoreWLAN|AppKit|Cocoa|"
    r"AudioToolbox|AudioUnit|ApplicationServices|Accelerate|vecLib|Carbon|Foundation|IOKit|OpenGL|OpenCL_mac|Metal|libkern|os|"
    r"dispatch|Security|SystemConfiguration|DiskArbitration|Kerberos|QuickTime|GSS|GLUT|architecture|objc|malloc|servers|"
    r"winrt|wrl|wil|dev|vm|uvm|kern|altq|sparc|Windows|"
    # Compilers and devices that no package of an archive serves.
    r"cuda|cub|thrust|hip|rocm|rocblas|hipblas|nccl|cutlass|musl|emscripten|android|cooperative_groups|nv)/"
)
_NEITHER: Final = frozenset({"sys/acl.h", "sys/capability.h", "sys/sdt.h"})
"""Headers in a standard folder that belong to a library of its own."""
_OF_COMPILERS: Final = re.compile(
    r".*intrin\.h|cuda\w*(\.h|\.hpp)?|cu(blas|fft|rand|solver|sparse|dnn)\w*\.h|hip/.*|nv\w+\.h|mkl\w*\.h|dnnl\w*\.h"
)
_PRESENT_LIBRARIES_WORDS: Final = """
c m dl rt pthread util crypt resolv nsl stdc++ gcc gcc_s gomp atomic quadmath gfortran supc++ stdc++fs anl iconv
intl python socket bsm objc c++ c++abi System msvcrt omp iomp5 libiomp5 supc++ mvec
"""
_PRESENT_LIBRARIES: Final = frozenset(_PRESENT_LIBRARIES_WORDS.split())
_OTHER_LIBRARIES: Final = re.compile(
    r"(?i)ws2_32|wsock32|user32|kernel32|advapi32|gdi32|shell32|ole32|oleaut32|uuid32|crypt32|psapi|iphlpapi|shlwapi|setupapi|"
    r"secur32|userenv|winmm|rpcrt4|netapi32|ntdll|bcrypt|dbghelp|comctl32|comdlg32|winspool|version|wtsapi32|powrprof|pdh|"
    r"python[0-9.]*m?|boost_python.*|npymath|npyrandom|cuda.*|cu(blas|fft|rand|solver|sparse|dnn).*|nv.*|mkl_.*|hid32|delayimp|normaliz|wldap32"
)
_PRESENT_PROGRAMS_WORDS: Final = """
python python3 python2 python2.7 python3-config python-config pkg-config pkgconf sh bash env cp mv rm ln cat sed
grep awk mawk head tail sort tr cut find xargs touch mkdir chmod install test echo true false make gmake
mingw32-make gcc g++ cc c++ ld ar nm ranlib strip objcopy objdump as clang clang++ cl cl.exe link.exe clang-cl icc
icpc ifort nvcc patch tar gzip xz file xcrun xcodebuild sw_vers otool install_name_tool lipo dsymutil brew port
ldconfig uname which where ldd perl diff cmd powershell vswhere msbuild devenv conda vcpkg pip uv pip3 cython
cython3 f2py numpy-config pythran pybind11-config pybind11 meson cargo rustc rustup ccache sccache dpkg rpm sudo
apt-get yum getconf date dirname basename hostname id whoami ls pwd sleep wc uniq tee cmp expr readlink realpath
mktemp stat nproc arch tput stty size
"""
_PRESENT_PROGRAMS: Final = frozenset(_PRESENT_PROGRAMS_WORDS.split())


def has_header(name: str) -> bool:
    """Return whether a header needs no package: every builder has it, or no Linux does."""
    lower = name.lower()
    if name in _NEITHER:
        return False
    is_other = lower.endswith(".h") and lower in _PRESENT_HEADERS
    return name in _PRESENT_HEADERS or is_other or bool(_FOLDERS.match(name) or _OF_COMPILERS.fullmatch(name))


def has_library(name: str) -> bool:
    """Return whether a library needs no package: every builder has it, or no Linux does."""
    return name in _PRESENT_LIBRARIES or _OTHER_LIBRARIES.fullmatch(name) is not None


def has_program(name: str) -> bool:
    """Return whether a program needs no package: every builder has it, PyPI does, or no Linux does."""
    return name.lower() in _PRESENT_PROGRAMS
