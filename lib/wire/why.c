/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/why.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

static const char *const texts[] = {
	[QBIPC_WHY_NATIVE] = "nothing",
	[QBIPC_WHY_LIBQB] = "the other end speaks only libqb's wire",
	[QBIPC_WHY_SERVER_OFF] = "switched off at the server",
	[QBIPC_WHY_CLIENT_OFF] = "switched off at the client",
	[QBIPC_WHY_OWNER] = "the connection's owner and mode keep the client out",
	[QBIPC_WHY_SERVER_REFUSED] = "the system keeps the server from it",
	[QBIPC_WHY_CLIENT_REFUSED] = "the system keeps the client from it",
	[QBIPC_WHY_SERVER_SHORT] = "the server is short of what it needs",
	[QBIPC_WHY_CLIENT_SHORT] = "the client is short of what it needs",
	[QBIPC_WHY_REMEMBERED] = "it failed less than a minute ago",
	[QBIPC_WHY_OVERCOMMIT] = "overcommit is forbidden, so memory may be missing later",
};

/* A misconfiguration has a high priority; a setting of an end, or libqb, a low one. */
static int priority_of(uint8_t code)
{
	switch (code) {
	case QBIPC_WHY_SERVER_REFUSED:
	case QBIPC_WHY_CLIENT_REFUSED:
	case QBIPC_WHY_SERVER_SHORT:
	case QBIPC_WHY_CLIENT_SHORT: return LOG_NOTICE;
	case QBIPC_WHY_LIBQB: return LOG_DEBUG;
	default: return LOG_INFO;
	}
}

static const char *const calls[QBI_CALLS] = {
	[QBI_CALL_MEMFD_CREATE] = "memfd_create",
	[QBI_CALL_FTRUNCATE] = "ftruncate",
	[QBI_CALL_SEALS] = "fcntl",
	[QBI_CALL_MMAP] = "mmap",
	[QBI_CALL_SOCKETPAIR] = "socketpair",
	[QBI_CALL_SENDMSG] = "sendmsg",
	[QBI_CALL_RECVMSG] = "recvmsg",
	[QBI_CALL_FSTAT] = "fstat",
	[QBI_CALL_FSTATFS] = "fstatfs",
	[QBI_CALL_GETSOCKOPT] = "getsockopt",
	[QBI_CALL_OPEN] = "open",
	[QBI_CALL_FCHMOD] = "fchmod",
	[QBI_CALL_GETRANDOM] = "getrandom",
	[QBI_CALL_SOCKET] = "socket",
	[QBI_CALL_CONNECT] = "connect",
};

/* Does @error mean a shortage, which may be temporary? */
static bool is_short(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case ETOOMANYREFS: return true;
	default: return false;
	}
}

static struct qbi_why why_make(enum qbipc_why code, enum qbi_why_call call, int error)
{
	return (struct qbi_why){ (uint8_t)code, (uint8_t)call, (uint8_t)-error };
}

struct qbi_why qbi_why_server(enum qbi_why_call call, int error)
{
	return why_make(is_short(-error) ? QBIPC_WHY_SERVER_SHORT : QBIPC_WHY_SERVER_REFUSED,
			call, error);
}

struct qbi_why qbi_why_client(enum qbi_why_call call, int error)
{
	return why_make(is_short(-error) ? QBIPC_WHY_CLIENT_SHORT : QBIPC_WHY_CLIENT_REFUSED,
			call, error);
}

bool qbi_why_is_short(struct qbi_why why)
{
	return why.code == QBIPC_WHY_SERVER_SHORT || why.code == QBIPC_WHY_CLIENT_SHORT;
}

uint32_t qbi_why_pack(struct qbi_why why)
{
	return why.code | (uint32_t)why.call << QBI_WHY_CALL_SHIFT |
	       (uint32_t)why.error << QBI_WHY_ERROR_SHIFT;
}

struct qbi_why qbi_why_unpack(uint32_t packed)
{
	return (struct qbi_why){
		.code = packed & 0xf,
		.call = packed >> QBI_WHY_CALL_SHIFT & 0xf,
		.error = (uint8_t)(packed >> QBI_WHY_ERROR_SHIFT),
	};
}

struct qbi_why qbi_why_of_client(uint32_t packed)
{
	struct qbi_why why = qbi_why_unpack(packed);

	switch (why.code) {
	case QBIPC_WHY_CLIENT_OFF:
	case QBIPC_WHY_CLIENT_REFUSED:
	case QBIPC_WHY_CLIENT_SHORT:
	case QBIPC_WHY_OVERCOMMIT: return why;
	default: return (struct qbi_why){ .code = QBIPC_WHY_LIBQB };
	}
}

struct qbi_why qbi_why_of_server(uint32_t packed)
{
	struct qbi_why why = qbi_why_unpack(packed);

	switch (why.code) {
	case QBIPC_WHY_SERVER_OFF:
	case QBIPC_WHY_OWNER:
	case QBIPC_WHY_SERVER_REFUSED:
	case QBIPC_WHY_SERVER_SHORT:
	case QBIPC_WHY_OVERCOMMIT: return why;
	default: return (struct qbi_why){ .code = QBIPC_WHY_LIBQB };
	}
}

const char *qbi_why_text(struct qbi_why why)
{
	return why.code < QBI_ARRAY_SIZE(texts) ? texts[why.code] : "a reason not known here";
}

const char *qbi_why_call_name(struct qbi_why why)
{
	return why.call < QBI_CALLS ? calls[why.call] : NULL;
}

void qbi_why_log(const char *service, pid_t peer, struct qbi_why why)
{
	static struct qbi_pace paces[QBI_ARRAY_SIZE(texts)];
	const char *call = qbi_why_call_name(why);
	char whom[32] = "", detail[128] = "";

	if (why.code >= QBI_ARRAY_SIZE(texts))
		return;
	if (peer)
		snprintf(whom, sizeof(whom), "pid %d: ", (int)peer);
	if (why.error)
		snprintf(detail, sizeof(detail), " (%s%s%s)", call ? call : "",
			 call ? ": " : "", strerror(why.error));
	qbi_log_paced(&paces[why.code], priority_of(why.code),
		      "service %s: %slibqb's wire instead of the native one: %s%s", service,
		      whom, qbi_why_text(why), detail);
}
