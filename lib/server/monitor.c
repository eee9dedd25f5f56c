/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/monitor.h"

#include <errno.h>
#include <poll.h>
#include <qbipc/monitor.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/util.h"
#include "server/end.h"
#include "server/limits.h"

/* Room for what a monitor has not read yet, if the system allows as much. */
#define SOCKET_ROOM (1u << 20)

/* After a send that found no room, the next attempt. Until then records are lost unsent. */
#define FULL_NS QBI_NS_PER_MS

/* When there are monitors, those that have lost the last records are told so often. */
#define TICK_NS (100 * QBI_NS_PER_MS)

/* Of each such time, monitors without trust take no more than this. */
#define WINDOW_NS (100 * QBI_NS_PER_MS)
#define WINDOW_SHARE_NS (5 * QBI_NS_PER_MS)

static void monitors_tick(struct qbi_deadline *d);

void qbi_monitors_init(struct qbi_monitors *ms, const struct qbi_settings *set,
		       struct qbi_deadlines *timer)
{
	size_t i;

	*ms = (struct qbi_monitors){ .set = set, .timer = timer };
	qbi_mutex_init(&ms->lock);
	qbi_deadline_init(&ms->tick, monitors_tick);
	for (i = 0; i < QBI_MONITORS_MAX; i++)
		ms->at[i] = (struct qbi_monitor){ .all = ms, .fd = -1 };
}

void qbi_monitors_deinit(struct qbi_monitors *ms)
{
	qbi_mutex_destroy(&ms->lock);
	free(QBI_TAKE(ms->record));
}

uint32_t qbi_monitor_mode_wanted(void)
{
	static atomic_flag told = ATOMIC_FLAG_INIT;
	const char *text = secure_getenv("QBIPC_MONITOR");

	if (text && strcmp(text, "headers") == 0)
		return QBIPC_MONITOR_HEADERS;
	if (text && strcmp(text, "payload") == 0)
		return QBIPC_MONITOR_PAYLOAD;
	if (text && *text && strcmp(text, "0") != 0 && !atomic_flag_test_and_set(&told))
		qbi_log(LOG_WARNING, "QBIPC_MONITOR is neither headers nor payload: services "
				     "show nothing");
	return QBIPC_MONITOR_OFF;
}

/* -- Sending, under the lock ---------------------------------------------------- */

/* This causes a hang-up, which the loop reports. */
static void monitor_part(struct qbi_monitor *m)
{
	m->gone = true;
	(void)shutdown(m->fd, SHUT_RDWR);
}

/* Bytes that were sent; 0: there is no room, or it has gone. */
static size_t monitor_write(struct qbi_monitor *m, const char *data, size_t size, uint64_t now)
{
	ssize_t n;

	do
		n = send(m->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (size_t)n;
	if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
		m->full_until = now + FULL_NS;
	else
		monitor_part(m);
	return 0;
}

static void rest_drop(struct qbi_monitor *m)
{
	free(QBI_TAKE(m->rest));
	m->rest_size = m->rest_at = 0;
}

/* The end of a record that was sent in part has to follow. */
static void rest_keep(struct qbi_monitor *m, const char *data, size_t size)
{
	m->rest = malloc(size);
	if (!m->rest) {
		monitor_part(m);
		return;
	}
	memcpy(m->rest, data, size);
	m->rest_size = size;
	m->rest_at = 0;
}

/* True: nothing is left of the record before. */
static bool rest_send(struct qbi_monitor *m, uint64_t now)
{
	if (!m->rest)
		return true;
	m->rest_at += monitor_write(m, m->rest + m->rest_at, m->rest_size - m->rest_at, now);
	if (m->rest_at < m->rest_size)
		return false;
	rest_drop(m);
	return true;
}

static bool time_is_left(struct qbi_monitors *ms, uint64_t now)
{
	if (now - ms->window_from >= WINDOW_NS) {
		ms->window_from = now;
		ms->window_used_ns = 0;
	}
	return ms->window_used_ns < WINDOW_SHARE_NS;
}

/* False: it is lost, but for the count. */
static bool record_try(struct qbi_monitor *m, const char *record, size_t size, uint64_t now)
{
	size_t n;

	if (now < m->full_until || !rest_send(m, now))
		return false;
	n = monitor_write(m, record, size, now);
	if (n > 0 && n < size)
		rest_keep(m, record + n, size - n);
	return n > 0;
}

static void record_send(struct qbi_monitor *m, const char *record, size_t size, uint64_t now)
{
	bool sent;

	if (m->gone)
		return;
	if (m->trusted) {
		sent = record_try(m, record, size, now);
	} else {
		sent = time_is_left(m->all, now) && record_try(m, record, size, now);
		m->all->window_used_ns += qbi_now_ns() - now;
	}
	m->lost = sent ? 0 : m->lost + 1;
}

static bool monitor_is_looking(const struct qbi_monitor *m)
{
	return m->fd >= 0 && m->wish_size == sizeof(m->wish) && !m->gone;
}

static bool kind_has_id(uint32_t kind)
{
	return kind == QBIPC_MONITOR_REQUEST || kind == QBIPC_MONITOR_RESPONSE ||
	       kind == QBIPC_MONITOR_EVENT;
}

static bool monitor_wants(const struct qbi_monitor *m, const struct qbi_monitor_record *r)
{
	const struct qbi_monitor_wish *w = &m->wish;

	return monitor_is_looking(m) && (!w->kinds || (w->kinds & (1u << r->kind))) &&
	       (!w->number || w->number == r->number) && (!w->pid || w->pid == r->pid) &&
	       (!w->by_id || w->id == r->id || !kind_has_id(r->kind));
}

/* As many bytes of the message as @m wants and the service allows. */
static uint32_t bytes_for(const struct qbi_monitor *m, const struct qbi_monitor_record *r)
{
	uint32_t bytes = m->wish.bytes;

	if (m->all->mode < QBIPC_MONITOR_PAYLOAD)
		return 0;
	if (bytes > QBI_MONITOR_BYTES)
		bytes = QBI_MONITOR_BYTES;
	return r->msg_size < bytes ? (uint32_t)r->msg_size : bytes;
}

void qbi_monitors_note(struct qbi_monitors *ms, const struct qbi_monitor_note *note)
{
	struct qbi_monitor_record r = note->record;
	uint32_t copied = 0;
	int saved = errno;
	size_t i;

	r.size = sizeof(r);
	r.msg_size = note->msg ? note->msg->size : 0;
	qbi_mutex_lock(&ms->lock);
	r.time_ns = qbi_now_ns();
	for (i = 0; i < QBI_MONITORS_MAX && !qbi_settings_are_copied(ms->set); i++) {
		struct qbi_monitor *m = &ms->at[i];

		if (!monitor_wants(m, &r))
			continue;
		r.bytes = bytes_for(m, &r);
		r.lost = m->lost;
		if (r.bytes > copied) {
			copied = r.bytes;
			(void)qbi_msg_begin_copy(note->msg, ms->record + sizeof(r), copied);
		}
		memcpy(ms->record, &r, sizeof(r));
		record_send(m, ms->record, sizeof(r) + r.bytes,
			    m->trusted ? r.time_ns : qbi_now_ns());
	}
	qbi_mutex_unlock(&ms->lock);
	errno = saved;
}

/* Say how many records were lost since the last one. */
static void loss_tell(struct qbi_monitor *m, uint64_t now)
{
	struct qbi_monitor_record r = {
		.size = sizeof(r),
		.kind = QBIPC_MONITOR_LOST,
		.time_ns = now,
		.lost = m->lost,
	};

	if (!monitor_is_looking(m))
		return;
	(void)rest_send(m, now);
	if (m->lost)
		record_send(m, (const char *)&r, sizeof(r), now);
	/* This one does not count as lost. */
	if (m->lost > r.lost)
		m->lost = r.lost;
}

/* -- Coming and going, dispatching thread ---------------------------------------- */

static bool monitors_are_there(const struct qbi_monitors *ms)
{
	size_t i;

	for (i = 0; i < QBI_MONITORS_MAX; i++)
		if (ms->at[i].fd >= 0)
			return true;
	return false;
}

/* Where there are no timers, what was lost is told with the next record only. */
static void tick_set(struct qbi_monitors *ms)
{
	uint64_t due = monitors_are_there(ms) ? qbi_now_ns() + TICK_NS : QBI_FOREVER;

	if (qbi_deadlines_set(ms->timer, &ms->tick, due) == QBI_GONE)
		(void)qbi_deadlines_set(ms->timer, &ms->tick, QBI_FOREVER);
}

static void monitor_close(struct qbi_monitor *m)
{
	struct qbi_monitors *ms = m->all;
	bool trusted = m->trusted;
	uid_t uid = m->uid;
	int fd = m->fd;

	if (fd < 0)
		return;
	qbi_app_loop_del(&ms->set->loop, fd);
	qbi_mutex_lock(&ms->lock);
	if (m->wish_size == sizeof(m->wish))
		atomic_fetch_sub_explicit(&ms->looking, 1, memory_order_relaxed);
	rest_drop(m);
	*m = (struct qbi_monitor){ .all = ms, .fd = -1 };
	qbi_mutex_unlock(&ms->lock);
	if (trusted || qbi_settings_are_copied(ms->set))
		(void)qbi_close(fd);
	else
		qbi_end_stream(fd, uid, false);
}

static void monitors_tick(struct qbi_deadline *d)
{
	struct qbi_monitors *ms = qbi_container_of(d, struct qbi_monitors, tick);
	uint64_t now = qbi_now_ns();
	size_t i;

	qbi_mutex_lock(&ms->lock);
	for (i = 0; i < QBI_MONITORS_MAX; i++)
		loss_tell(&ms->at[i], now);
	qbi_mutex_unlock(&ms->lock);
	tick_set(ms);
}

void qbi_monitors_mode_set(struct qbi_monitors *ms, uint32_t mode)
{
	qbi_mutex_lock(&ms->lock);
	ms->mode = mode;
	qbi_mutex_unlock(&ms->lock);
	if (mode == QBIPC_MONITOR_OFF)
		qbi_monitors_close(ms);
}

int qbi_monitors_admit(struct qbi_monitors *ms, uid_t uid)
{
	unsigned int places = 0, others = 0;
	size_t i;

	if (ms->mode == QBIPC_MONITOR_OFF)
		return -EPERM;
	for (i = 0; i < QBI_MONITORS_MAX; i++) {
		places += ms->at[i].fd < 0;
		others += ms->at[i].fd >= 0 && !ms->at[i].trusted;
	}
	if (!places || (others >= QBI_MONITORS_OF_OTHERS && !qbi_limits_is_exempt(uid)))
		return -EUSERS;
	return 0;
}

int qbi_monitors_add(struct qbi_monitors *ms, int fd, uid_t uid)
{
	struct qbi_monitor *m = ms->at;
	int r;

	while (m->fd >= 0)
		m++;
	qbi_socket_raise_buffers(fd, SOCKET_ROOM);
	r = qbi_app_loop_add(&ms->set->loop, ms->set->priority, fd, QBI_POLL_EVENTS, m, ms->fn);
	if (r < 0)
		return r;
	qbi_mutex_lock(&ms->lock);
	m->fd = fd;
	m->uid = uid;
	m->trusted = qbi_limits_is_exempt(uid);
	qbi_mutex_unlock(&ms->lock);
	tick_set(ms);
	return 0;
}

static struct qbi_monitor_head head_of(const struct qbi_monitors *ms)
{
	struct timespec now = { 0, 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	return (struct qbi_monitor_head){
		.mark = QBI_MONITOR_MARK,
		.head_size = sizeof(struct qbi_monitor_head),
		.mode = ms->mode,
		.service_id = ms->set->id,
		.time_ns = qbi_now_ns(),
		.realtime_ns = (uint64_t)now.tv_sec * QBI_NS_PER_S + (uint64_t)now.tv_nsec,
	};
}

/* Its wish is complete: answer, and send records from now on. False: that cannot be. */
static bool monitor_begin(struct qbi_monitor *m)
{
	struct qbi_monitors *ms = m->all;
	struct qbi_monitor_head head = head_of(ms);
	bool begun;

	if (qbi_monitor_wish_check(&m->wish) < 0)
		return false;
	qbi_mutex_lock(&ms->lock);
	if (!ms->record)
		ms->record = malloc(sizeof(struct qbi_monitor_record) + QBI_MONITOR_BYTES);
	begun = ms->record &&
		monitor_write(m, (const char *)&head, sizeof(head), 0) == sizeof(head);
	if (begun) {
		m->wish_size = sizeof(m->wish);
		atomic_fetch_add_explicit(&ms->looking, 1, memory_order_relaxed);
	}
	qbi_mutex_unlock(&ms->lock);
	return begun;
}

/* False: it has left, or sends what it should not. */
static bool monitor_read(struct qbi_monitor *m, size_t *size)
{
	char *to = (char *)&m->wish + *size;
	char more;
	size_t left = sizeof(m->wish) - *size;
	ssize_t n = left ? qbi_socket_receive(m->fd, to, left) :
			   qbi_socket_receive(m->fd, &more, sizeof(more));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	*size += (size_t)n;
	return n > 0 && left;
}

int32_t qbi_monitor_dispatch(struct qbi_monitor *m, int32_t revents)
{
	size_t size = m->wish_size;
	bool stays = !m->gone && !(revents & (POLLHUP | POLLERR | POLLNVAL)) &&
		     monitor_read(m, &size);

	if (stays && size < sizeof(m->wish))
		m->wish_size = size;
	else if (stays && m->wish_size < sizeof(m->wish))
		stays = monitor_begin(m);
	if (stays)
		return 0;
	monitor_close(m);
	tick_set(m->all);
	return -ESHUTDOWN;
}

void qbi_monitors_close(struct qbi_monitors *ms)
{
	size_t i;

	for (i = 0; i < QBI_MONITORS_MAX; i++)
		monitor_close(&ms->at[i]);
	(void)qbi_deadlines_set(ms->timer, &ms->tick, QBI_FOREVER);
}
