/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/reserve.h>: check the arguments, call inwards. */
#include <qbipc/reserve.h>

#include <errno.h>
#include <pthread.h>

#include "api/errors.h"
#include "base/log.h"
#include "client/loans.h"
#include "server/send.h"

/* -- Client --------------------------------------------------------------------- */

static int usable_check(const qb_ipcc_connection_t *c)
{
	if (!c)
		return qbi_misuse_of("a reservation", "the connection is NULL");
	return c->end ?
		       0 :
		       qbi_misuse_of("a reservation", "qb_ipcc_connect_continue() comes first");
}

int qbipc_request_reserve(qb_ipcc_connection_t *c, size_t size, void **place)
{
	int r = usable_check(c);

	if (r == 0 && !place)
		r = qbi_misuse("place is NULL");
	if (r == 0)
		r = qbi_client_reserve(c, size, place);
	return (int)qbi_result(QBI_CALL_SEND, r, 0);
}

ssize_t qbipc_request_commit(qb_ipcc_connection_t *c, size_t size)
{
	int r = usable_check(c);

	if (r == 0)
		r = qbi_client_commit(c, size);
	return qbi_result(QBI_CALL_SEND, r, size);
}

int qbipc_request_abandon(qb_ipcc_connection_t *c)
{
	int r = usable_check(c);

	return r < 0 ? r : qbi_client_abandon(c);
}

/* -- Server --------------------------------------------------------------------- */

static int message_reserve(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size,
			   void **place)
{
	/* Here, before anything has happened, as for what is sent. */
	pthread_testcancel();
	if (!c)
		return qbi_misuse_of("a reservation", "the connection is NULL");
	if (!place)
		return qbi_misuse_of("a reservation", "place is NULL");
	return (int)qbi_result(QBI_CALL_SEND, qbi_send_reserve(c, channel, size, place), 0);
}

static ssize_t message_commit(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size)
{
	if (!c)
		return qbi_misuse_of("a reservation", "the connection is NULL");
	return qbi_result(QBI_CALL_SEND, qbi_send_commit(c, channel, size), size);
}

static int message_abandon(qb_ipcs_connection_t *c, enum qbi_channel channel)
{
	return c ? qbi_send_abandon(c, channel) :
		   qbi_misuse_of("a reservation", "the connection is NULL");
}

int qbipc_response_reserve(qb_ipcs_connection_t *c, size_t size, void **place)
{
	return message_reserve(c, QBI_RESPONSES, size, place);
}

int qbipc_event_reserve(qb_ipcs_connection_t *c, size_t size, void **place)
{
	return message_reserve(c, QBI_EVENTS, size, place);
}

ssize_t qbipc_response_commit(qb_ipcs_connection_t *c, size_t size)
{
	return message_commit(c, QBI_RESPONSES, size);
}

ssize_t qbipc_event_commit(qb_ipcs_connection_t *c, size_t size)
{
	return message_commit(c, QBI_EVENTS, size);
}

int qbipc_response_abandon(qb_ipcs_connection_t *c)
{
	return message_abandon(c, QBI_RESPONSES);
}

int qbipc_event_abandon(qb_ipcs_connection_t *c)
{
	return message_abandon(c, QBI_EVENTS);
}
