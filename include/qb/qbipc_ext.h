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

#include <qbipc/bodies.h>
#include <qbipc/call.h>
#include <qbipc/connect.h>
#include <qbipc/deadline.h>
#include <qbipc/describe.h>
#include <qbipc/events.h>
#include <qbipc/handlers.h>
#include <qbipc/listen.h>
#include <qbipc/loop.h>
#include <qbipc/peer.h>
#include <qbipc/memory.h>
#include <qbipc/monitor.h>
#include <qbipc/reserve.h>
#include <qbipc/views.h>
#include <qbipc/snapshot.h>
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
 * What the library has to say: something was refused or is broken; never per message.
 * Called by any thread that uses the library, which it must not call.
 *
 * @param priority  a number of syslog(3): LOG_ERR, LOG_WARNING, LOG_NOTICE,
 *                  LOG_INFO, LOG_DEBUG
 * @param text      one line without a newline, good until this returns
 * @param data      of qbipc_log_hook_set()
 */
typedef void (*qbipc_log_fn)(int priority, const char *text, void *data);

/**
 * Receive what the library has to say. Without a hook the text goes to libqb's logger
 * when that is in the process, else nowhere.
 *
 * @param fn    the hook; NULL removes it
 * @param data  passed to @p fn
 * @return      0
 * @note        Threads: set it before other threads use the library.
 */
int qbipc_log_hook_set(qbipc_log_fn fn, void *data);

/**
 * Allow or forbid the native wire, which is used when both ends are this library. When
 * one of them forbids it, both stay on libqb's. The environment variable QBIPC_NATIVE=0
 * forbids it from the start. Where overcommit is forbidden (vm.overcommit_memory=2 when the
 * library is first used), it is forbidden unless this function or QBIPC_NATIVE=1 allows it,
 * because an access to shared memory could then be a fault.
 *
 * @param on    0 forbid, else allow (the default where overcommit is not forbidden)
 * @return      0
 * @note        Connections that are up stay as they are.
 * @note        Threads: any.
 */
int qbipc_native_set(int on);

/**
 * Busy polling: set how long an end of a native connection polls for the next message before it
 * sleeps. A message that is found this way takes half a microsecond, one that has to wake a
 * process takes five to fifty. The time actually spent follows from when messages came and from
 * what wake-ups take on this machine. Polling in vain takes at most a quarter of one CPU per
 * service and per client's connection, nothing at all while they are idle or when another
 * process is busy on the only CPU that the process may use. Real-time threads poll for 20
 * microseconds at a time at most. The environment variable QBIPC_BUSY_POLL_US sets it from the
 * start.
 *
 * @param us    longest time in microseconds, 0 to 1000; 0: no busy polling; default 200,
 *              twice the longest wake-up that is believed in
 * @return      0; -EINVAL beyond 1000
 * @note        Holds for services run and connections made afterwards.
 * @note        Threads: any.
 */
int qbipc_busy_poll_set(unsigned int us);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
