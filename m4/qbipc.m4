dnl SPDX-License-Identifier: LGPL-2.1-or-later

dnl QBIPC_TRY_CFLAGS(VARIABLE, FLAG...): append each flag that the C compiler takes
dnl without a warning.
AC_DEFUN([QBIPC_TRY_CFLAGS], [
	m4_foreach_w([flag], [$2], [
		AC_MSG_CHECKING([whether $CC takes flag])
		qbipc_saved_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS -Werror flag"
		AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#include <stdlib.h>
int probe(void);
int probe(void) { return abs(0); }
]])],
			[AC_MSG_RESULT([yes])
			 $1="$$1 flag"],
			[AC_MSG_RESULT([no])])
		CFLAGS=$qbipc_saved_CFLAGS
	])
])

dnl QBIPC_TRY_LDFLAGS(VARIABLE, FLAG...): likewise for the linker.
AC_DEFUN([QBIPC_TRY_LDFLAGS], [
	m4_foreach_w([flag], [$2], [
		AC_MSG_CHECKING([whether the linker takes flag])
		qbipc_saved_LDFLAGS=$LDFLAGS
		LDFLAGS="$LDFLAGS -Werror flag"
		AC_LINK_IFELSE([AC_LANG_SOURCE([[int main(void) { return 0; }]])],
			[AC_MSG_RESULT([yes])
			 $1="$$1 flag"],
			[AC_MSG_RESULT([no])])
		LDFLAGS=$qbipc_saved_LDFLAGS
	])
])

dnl QBIPC_REQUIRE_FLAGS(FLAGS): compiler and linker take them together, or we give up.
AC_DEFUN([QBIPC_REQUIRE_FLAGS], [
	AC_MSG_CHECKING([whether programs can be built with $1])
	qbipc_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS $1"
	AC_LINK_IFELSE([AC_LANG_SOURCE([[int main(void) { return 0; }]])],
		[AC_MSG_RESULT([yes])],
		[AC_MSG_RESULT([no])
		 AC_MSG_ERROR([$CC cannot build with $1])])
	CFLAGS=$qbipc_saved_CFLAGS
])
