/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/session.h"

#include "tests/lib/message.h"
#include "tests/lib/variant.h"

struct host *session_start_spec(const struct server_spec *spec, qb_ipcc_connection_t **ret_c)
{
	struct host *h = host_start(spec);

	*ret_c = client_connect(h->name, 0);
	host_await_trace(h, "created:1");
	return h;
}

struct host *session_start(int variant, qb_ipcc_connection_t **ret_c)
{
	return session_start_spec(&(struct server_spec){ VARIANT_SPEC(variant), .quiet = true },
				  ret_c);
}

void session_stop(struct host *h, qb_ipcc_connection_t *c)
{
	qb_ipcc_disconnect(c);
	host_stop(h);
}
