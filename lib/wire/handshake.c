/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/handshake.h"

#include <errno.h>
#include <qb/qbipc_common.h>
#include <stdbool.h>
#include <string.h>

void qbi_hello_init(struct qbi_hello *hello, size_t max_msg_size, uint32_t version)
{
	memset(hello, 0, sizeof(*hello));
	hello->id = QBI_AUTHENTICATE;
	hello->size = sizeof(*hello);
	hello->max_msg_size =
		max_msg_size < QBI_MIN_MSG_SIZE ? QBI_MIN_MSG_SIZE : (uint32_t)max_msg_size;
	if (version) {
		hello->mark = QBI_WIRE_MARK;
		hello->version = version;
	}
}

void qbi_hello_decline(struct qbi_hello *hello, struct qbi_why why)
{
	hello->mark = QBI_WIRE_MARK;
	hello->version = 0;
	hello->abilities |= qbi_why_pack(why) << QBI_ABILITIES_WHY_SHIFT;
}

struct qbi_why qbi_hello_why(const struct qbi_hello *hello)
{
	if (hello->mark != QBI_WIRE_MARK)
		return (struct qbi_why){ .code = QBIPC_WHY_LIBQB };
	if (hello->version > 0)
		return (struct qbi_why){ 0 };
	return qbi_why_of_client(hello->abilities >> QBI_ABILITIES_WHY_SHIFT);
}

void qbi_welcome_decline(struct qbi_welcome *welcome, struct qbi_why why)
{
	welcome->mark = QBI_WIRE_MARK;
	welcome->version = 0;
	welcome->abilities |= qbi_why_pack(why) << QBI_ABILITIES_WHY_SHIFT;
}

struct qbi_why qbi_welcome_why(const struct qbi_welcome *welcome)
{
	if (welcome->mark != QBI_WIRE_MARK)
		return (struct qbi_why){ .code = QBIPC_WHY_LIBQB };
	if (welcome->version > 0)
		return (struct qbi_why){ 0 };
	return qbi_why_of_server(welcome->abilities >> QBI_ABILITIES_WHY_SHIFT);
}

void qbi_hello_ask(struct qbi_hello *hello, size_t max_msg_size, uint32_t version,
		   uint32_t ability)
{
	qbi_hello_init(hello, max_msg_size, version);
	hello->mark = QBI_WIRE_MARK;
	hello->abilities = ability;
}

void qbi_hello_ask_watch(struct qbi_hello *hello, uint64_t below)
{
	qbi_hello_ask(hello, 0, 0, QBI_ABILITY_WATCH);
	hello->version = (uint32_t)below;
	hello->max_msg_size += (uint32_t)(below >> 32);
}

uint64_t qbi_hello_watch_below(const struct qbi_hello *hello)
{
	uint64_t high = hello->max_msg_size < QBI_MIN_MSG_SIZE ?
				0 :
				hello->max_msg_size - QBI_MIN_MSG_SIZE;

	return high << 32 | hello->version;
}

void qbi_hello_ask_describe(struct qbi_hello *hello, uint32_t from)
{
	qbi_hello_ask(hello, 0, from, QBI_ABILITY_DESCRIBE);
}

uint32_t qbi_hello_describe_from(const struct qbi_hello *hello)
{
	return hello->version;
}

void qbi_hello_join(struct qbi_hello *hello, uint64_t number)
{
	qbi_hello_ask(hello, 0, (uint32_t)number, QBI_ABILITY_BELL);
	hello->max_msg_size = (uint32_t)(number >> 32);
}

bool qbi_hello_is_bell(const struct qbi_hello *hello)
{
	return hello->mark == QBI_WIRE_MARK && (hello->abilities & QBI_ABILITY_BELL);
}

uint64_t qbi_hello_bell_number(const struct qbi_hello *hello)
{
	return (uint64_t)hello->max_msg_size << 32 | hello->version;
}

uint32_t qbi_hello_question(const struct qbi_hello *hello)
{
	if (hello->mark != QBI_WIRE_MARK)
		return 0;
	if (hello->abilities & QBI_ABILITY_MONITOR)
		return QBI_ABILITY_MONITOR;
	if (hello->abilities & QBI_ABILITY_DESCRIBE)
		return QBI_ABILITY_DESCRIBE;
	if (hello->abilities & QBI_ABILITY_WATCH)
		return QBI_ABILITY_WATCH;
	return hello->abilities & QBI_ABILITY_PROBE;
}

int qbi_hello_check(const struct qbi_hello *hello)
{
	if (hello->id != QBI_AUTHENTICATE || hello->size != (int32_t)sizeof(*hello))
		return -EBADMSG;
	if (hello->max_msg_size > QBI_MAX_MSG_SIZE)
		return -EMSGSIZE;
	return 0;
}

void qbi_welcome_init(struct qbi_welcome *welcome, int32_t error)
{
	memset(welcome, 0, sizeof(*welcome));
	welcome->id = QBI_AUTHENTICATE;
	welcome->size = sizeof(*welcome);
	welcome->error = error;
}

static bool name_is_terminated(const char *name)
{
	return memchr(name, '\0', QBI_WIRE_NAME_SIZE) != NULL;
}

int qbi_welcome_check(const struct qbi_welcome *welcome)
{
	if (welcome->id != QBI_AUTHENTICATE || welcome->size != (int32_t)sizeof(*welcome))
		return -EBADMSG;
	if (welcome->error != 0)
		return 0;
	if (welcome->type != QB_IPC_SOCKET && welcome->type != QB_IPC_SHM)
		return -EBADMSG;
	if (welcome->max_msg_size < QBI_MIN_MSG_SIZE ||
	    welcome->max_msg_size > QBI_MAX_MSG_SIZE)
		return -EBADMSG;
	if (!name_is_terminated(welcome->request) || !name_is_terminated(welcome->response) ||
	    !name_is_terminated(welcome->event))
		return -EBADMSG;
	return 0;
}
