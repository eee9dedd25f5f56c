/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file qbloop.h
 * A poll loop: descriptors, timers, jobs and signals, each with a priority.
 *
 * Of what is ready, QB_LOOP_HIGH goes before QB_LOOP_MED before QB_LOOP_LOW. The
 * priorities share the loop: a busy high one delays the low ones and does not starve
 * them.
 *
 * A NULL loop stands for the first one created that still exists; with none, functions
 * return -EINVAL. Errors are negative errno values.
 *
 * Callbacks run in the thread that is inside qb_loop_run(), one at a time, and may call
 * everything here but qb_loop_destroy(), removing themselves and each other included.
 *
 * Threads: everything may be called from any thread, except that a loop is run by one
 * thread at a time and destroyed when no other thread uses it. Removing something from
 * another thread does not wait for its callback that is running. qb_loop_stop() may be
 * called from a signal handler.
 */
#ifndef QB_LOOP_H_DEFINED
#define QB_LOOP_H_DEFINED

#include <poll.h>
#include <signal.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** What goes first among ready things. */
enum qb_loop_priority { QB_LOOP_LOW = 0, QB_LOOP_MED = 1, QB_LOOP_HIGH = 2 };

/** A loop. */
typedef struct qb_loop qb_loop_t;

/** Names one timer; never used again for another one. 0 names none. */
typedef uint64_t qb_loop_timer_handle;

/** Names one signal registration. */
typedef void *qb_loop_signal_handle;

/**
 * A descriptor is ready.
 *
 * @param fd       the descriptor
 * @param revents  what it is ready for, POLLIN and so on
 * @param data     as given to qb_loop_poll_add()
 * @return         0 to stay in the loop; negative removes the descriptor
 */
typedef int32_t (*qb_loop_poll_dispatch_fn)(int32_t fd, int32_t revents, void *data);

/** A job's turn has come. @param data as given to qb_loop_job_add() */
typedef void (*qb_loop_job_dispatch_fn)(void *data);

/** A timer has expired. @param data as given to qb_loop_timer_add() */
typedef void (*qb_loop_timer_dispatch_fn)(void *data);

/**
 * A signal was delivered. Runs in the loop, not in the signal handler: everything may
 * be called.
 *
 * @param rsignal  the signal's number
 * @param data     as given to qb_loop_signal_add()
 * @return         0 to stay; negative removes the registration
 */
typedef int32_t (*qb_loop_signal_dispatch_fn)(int32_t rsignal, void *data);

/**
 * The process runs out of descriptors, or has enough again. The loop knows of those that
 * it watches, and keeps 51 for the rest.
 *
 * @param not_enough     1 when they run out, 0 when they are back
 * @param fds_available  descriptors that can still be opened, by that account
 */
typedef void (*qb_loop_poll_low_fds_event_fn)(int32_t not_enough, int32_t fds_available);

/**
 * Create a loop.
 *
 * @return the loop, to be given to qb_loop_destroy(); or NULL and errno:
 *         ENOMEM there is no memory;
 *         EMFILE, ENFILE there are no descriptors
 * @note   Threads: any.
 */
qb_loop_t *qb_loop_create(void);

/**
 * Free a loop that does not run. What it still holds is dropped without being called;
 * descriptors stay open.
 *
 * @param l  loop; NULL is ignored, whatever loops there are
 * @note     Threads: any, when no other thread uses the loop.
 */
void qb_loop_destroy(struct qb_loop *l);

/**
 * Make qb_loop_run() return after the callback that runs now. Without a run it does
 * nothing: the next one does not know of it.
 *
 * @param l  loop
 * @note     Threads: any; also from a signal handler.
 */
void qb_loop_stop(qb_loop_t *l);

/**
 * Wait for things and call their functions until qb_loop_stop(). May be called again.
 *
 * @param l  loop
 * @note     Threads: one at a time per loop; its callbacks run in it.
 */
void qb_loop_run(qb_loop_t *l);

/**
 * Run a function once, in one of the next rounds of the loop. Jobs of one priority run
 * in the order they were added.
 *
 * A job that adds itself again does not make the loop spin: it runs when a descriptor is
 * ready, or else about every 50 ms, whatever timers there are.
 *
 * @param l            loop
 * @param p            priority
 * @param data         passed to @p dispatch_fn
 * @param dispatch_fn  what to run
 * @return             0;
 *                     -EINVAL the priority is unknown, or there is no function or no loop;
 *                     -ENOMEM there is no memory
 * @note               Threads: any; a loop that waits takes notice at once.
 */
int32_t qb_loop_job_add(qb_loop_t *l, enum qb_loop_priority p, void *data,
			qb_loop_job_dispatch_fn dispatch_fn);

/**
 * Drop a job that has not run: the first one added with the same priority, data and
 * function.
 *
 * @param l            loop
 * @param p            priority
 * @param data         as added
 * @param dispatch_fn  as added
 * @return             0;
 *                     -ENOENT there is no such job;
 *                     -EINVAL the priority is unknown, or there is no function or no loop
 * @note               Threads: any; does not wait for a callback that is running in
 *                     another one.
 */
int32_t qb_loop_job_del(struct qb_loop *l, enum qb_loop_priority p, void *data,
			qb_loop_job_dispatch_fn dispatch_fn);

/**
 * Run a function once, after some time on the monotonic clock; never early.
 *
 * @param l                 loop
 * @param p                 priority
 * @param nsec_duration     nanoseconds from now
 * @param data              passed to @p dispatch_fn
 * @param dispatch_fn       what to run
 * @param timer_handle_out  set to the timer's name; may be NULL
 * @return                  0;
 *                          -EINVAL the priority is unknown, or there is no function or no
 *                          loop;
 *                          -ENOMEM there is no memory
 * @note                    Threads: any; a loop that waits takes notice at once.
 */
int32_t qb_loop_timer_add(qb_loop_t *l, enum qb_loop_priority p, uint64_t nsec_duration,
			  void *data, qb_loop_timer_dispatch_fn dispatch_fn,
			  qb_loop_timer_handle *timer_handle_out);

/**
 * Drop a timer that has not fired.
 *
 * @param l   loop
 * @param th  timer
 * @return    0; -EINVAL it has fired, was dropped, or never was, or there is no loop
 * @note      Threads: any; does not wait for a callback that is running in another one.
 */
int32_t qb_loop_timer_del(qb_loop_t *l, qb_loop_timer_handle th);

/**
 * Will this timer still fire?
 *
 * @param l   loop
 * @param th  timer
 * @return    QB_TRUE until the loop finds that its time has come, or it is dropped; then
 *            QB_FALSE
 * @note      Threads: any.
 */
int32_t qb_loop_timer_is_running(qb_loop_t *l, qb_loop_timer_handle th);

/**
 * When a timer will fire.
 *
 * @param l   loop
 * @param th  timer
 * @return    nanoseconds on the monotonic clock; 0 when it is not running
 * @note      Threads: any.
 */
uint64_t qb_loop_timer_expire_time_get(struct qb_loop *l, qb_loop_timer_handle th);

/**
 * How long until a timer fires.
 *
 * @param l   loop
 * @param th  timer
 * @return    nanoseconds; 0 when it is due or not running
 * @note      Threads: any.
 */
uint64_t qb_loop_timer_expire_time_remaining(struct qb_loop *l, qb_loop_timer_handle th);

/**
 * Be told when the process runs out of descriptors and when it has enough again.
 *
 * @param l   loop
 * @param fn  what to call; NULL for nothing
 * @return    0; -EINVAL there is no loop
 * @note      Threads: any.
 */
int32_t qb_loop_poll_low_fds_event_set(qb_loop_t *l, qb_loop_poll_low_fds_event_fn fn);

/**
 * Watch a descriptor, until qb_loop_poll_del() or until @p dispatch_fn returns a
 * negative value. Remove it before it is closed.
 *
 * @param l            loop
 * @param p            priority
 * @param fd           descriptor; at most one registration in a loop
 * @param events       POLLIN and so on; errors and hang-ups are always reported
 * @param data         passed to @p dispatch_fn
 * @param dispatch_fn  called once per round while the descriptor is ready
 * @return             0;
 *                     -EINVAL the priority is unknown, or there is no function or no loop;
 *                     -EEXIST it is watched already;
 *                     -EBADF it is not open;
 *                     -EPERM it cannot be polled, as a regular file;
 *                     -ENOMEM there is no memory;
 *                     another negative errno of epoll_ctl(2)
 * @note               Threads: any; a loop that waits takes notice at once.
 */
int32_t qb_loop_poll_add(qb_loop_t *l, enum qb_loop_priority p, int32_t fd, int32_t events,
			 void *data, qb_loop_poll_dispatch_fn dispatch_fn);

/**
 * Change what is watched and what is called.
 *
 * @param l            loop
 * @param p            new priority
 * @param fd           watched descriptor
 * @param events       new events
 * @param data         new data
 * @param dispatch_fn  new function
 * @return             0;
 *                     -EBADF it is not watched;
 *                     -EINVAL as for qb_loop_poll_add()
 * @note               Threads: any; does not wait for a callback that is running in
 *                     another one.
 */
int32_t qb_loop_poll_mod(qb_loop_t *l, enum qb_loop_priority p, int32_t fd, int32_t events,
			 void *data, qb_loop_poll_dispatch_fn dispatch_fn);

/**
 * Watch a descriptor no longer. Its function is not called again, also when it was
 * ready already.
 *
 * @param l   loop
 * @param fd  watched descriptor
 * @return    0; -EBADF it is not watched; -EINVAL there is no loop
 * @note      Threads: any; does not wait for a callback that is running in another one.
 */
int32_t qb_loop_poll_del(qb_loop_t *l, int32_t fd);

/**
 * Call a function in the loop once per delivery of a signal. Handlers of other signals
 * are left alone.
 *
 * @param l            loop
 * @param p            priority
 * @param sig          signal, SIGTERM and so on
 * @param data         passed to @p dispatch_fn
 * @param dispatch_fn  what to call
 * @param handle       set to the registration's name; may be NULL
 * @return             0;
 *                     -EINVAL the priority is unknown, the signal is or cannot be caught,
 *                     or there is no function or no loop;
 *                     -ENOMEM there is no memory
 * @note               Threads: any; a loop that waits takes notice at once.
 */
int32_t qb_loop_signal_add(qb_loop_t *l, enum qb_loop_priority p, int32_t sig, void *data,
			   qb_loop_signal_dispatch_fn dispatch_fn,
			   qb_loop_signal_handle *handle);

/**
 * Change a signal registration.
 *
 * @param l            loop
 * @param p            new priority
 * @param sig          new signal
 * @param data         new data
 * @param dispatch_fn  new function
 * @param handle       the registration
 * @return             0;
 *                     -EINVAL there is no such registration, or as for
 *                     qb_loop_signal_add()
 * @note               Threads: any; does not wait for a callback that is running in
 *                     another one.
 */
int32_t qb_loop_signal_mod(qb_loop_t *l, enum qb_loop_priority p, int32_t sig, void *data,
			   qb_loop_signal_dispatch_fn dispatch_fn,
			   qb_loop_signal_handle handle);

/**
 * Drop a signal registration; a delivery that still waits for its turn is dropped too.
 *
 * @param l       loop
 * @param handle  the registration
 * @return        0; -EINVAL there is no such registration, or no loop
 * @note          Threads: any; does not wait for a callback that is running in another
 *                one.
 */
int32_t qb_loop_signal_del(qb_loop_t *l, qb_loop_signal_handle handle);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
