/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file qbipc_ext.h
 * What this library has besides the interface that it shares with libqb. All names
 * start with qbipc_; a program that includes this header needs this library. Families of
 * functions have a header of their own, <qbipc/...>, which this one includes.
 *
 * The interface only grows: functions come under a new version of symbols and none goes,
 * enumerated values and flags come behind those there are, and structs whose first field is
 * their size get new fields at the end. A program sets the size to what it was compiled
 * with, and then either of the two may be the older one:
 *
 *   - The program is older: what its struct ends before is default when it asks, and left
 *     out when it is answered.
 *   - The library is older: fields that it does not know are 0 in an answer. A program
 *     that asks for something there is refused with -E2BIG; while it leaves zeros there
 *     it is served.
 *
 * So zero a struct before filling it in. Other structs never change.
 */
#ifndef QBIPC_EXT_H_DEFINED
#define QBIPC_EXT_H_DEFINED

#include <qbipc/connect.h>
#include <qbipc/events.h>
#include <qbipc/handlers.h>
#include <qbipc/listen.h>
#include <qbipc/peer.h>
#include <qbipc/memory.h>
#include <qbipc/watch.h>
#include <qbipc/limits.h>

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

/**
 * Allow or forbid the native wire, which is used when both ends are this library. When
 * one of them forbids it, both stay on libqb's. The environment variable QBIPC_NATIVE=0
 * forbids it from the start.
 *
 * @param on    0 forbid, else allow (the default)
 * @note        Connections that are up stay as they are.
 * @note        Threads: any.
 */
void qbipc_native_set(int on);

/**
 * Set how long an end of a native connection looks for the next message before it
 * sleeps: a message that is found that way takes half a microsecond, one that has to
 * wake somebody takes twenty and more. The time actually spent adapts to how messages
 * come. Looking in vain takes at most a quarter of one CPU per service and per client's
 * connection, nothing at all while they are idle or when the process has one CPU only,
 * and real-time threads look for 20 microseconds at a time at most. The environment
 * variable QBIPC_LOOK_US sets it from the start.
 *
 * @param us    longest look in microseconds, 0 to 1000; 0: never look; default 50, what
 *              sleeping and waking costs on the machine of docs/performance.md
 * @return      0; -EINVAL beyond 1000
 * @note        Holds for services run and connections made afterwards.
 * @note        Threads: any.
 */
int qbipc_look_set(unsigned int us);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
