"""The functions of which glibc has a checked form, `__NAME_chk` (names exported by glibc 2.36)."""

from __future__ import annotations

FORTIFIABLE: frozenset[bytes] = frozenset(
    b"""
    asprintf confstr dprintf explicit_bzero fdelt fgets fgets_unlocked fgetws fgetws_unlocked fprintf
    fread fread_unlocked fwprintf getcwd getdomainname getgroups gethostname getlogin_r gets getwd
    longjmp mbsnrtowcs mbsrtowcs mbstowcs memcpy memmove mempcpy memset obstack_printf obstack_vprintf
    poll ppoll pread pread64 printf ptsname_r read readlink readlinkat realpath recv recvfrom snprintf
    sprintf stpcpy stpncpy strcat strcpy strncat strncpy swprintf syslog ttyname_r vasprintf vdprintf
    vfprintf vfwprintf vprintf vsnprintf vsprintf vswprintf vsyslog vwprintf wcpcpy wcpncpy wcrtomb
    wcscat wcscpy wcsncat wcsncpy wcsnrtombs wcsrtombs wcstombs wctomb wmemcpy wmemmove wmempcpy wmemset
    wprintf
    """.split()
)
