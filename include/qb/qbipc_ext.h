/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file qbipc_ext.h
 * What this library has besides the interface that it shares with libqb. All names
 * start with qbipc_; a program that includes this header needs this library.
 */
#ifndef QBIPC_EXT_H_DEFINED
#define QBIPC_EXT_H_DEFINED

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Version of this header: major * 10000 + minor * 100 + micro. */
#define QBIPC_VERSION 10000

/**
 * Version of the library that runs, which may be newer than the header.
 *
 * @return  as QBIPC_VERSION
 * @note    Threads: any.
 */
int qbipc_version(void);

/**
 * Receive what the library has to say: something was refused or is broken; never per
 * message. Without a hook the text goes to libqb's logger when that is in the process,
 * else nowhere.
 *
 * @param fn    called with a priority as in syslog(3), one line of text without a
 *              newline, and @p data; from any thread that uses the library, and must
 *              not call it. NULL removes the hook
 * @param data  passed to @p fn
 * @note        Threads: set it before other threads use the library.
 */
void qbipc_log_hook_set(void (*fn)(int priority, const char *text, void *data),
			void *data);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
