/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdbool.h>

#include "base/util.h"
#include "transport/transport.h"

/* A transport exports its two tables and nothing else; this is the only list of them. */
extern const struct qbi_server_ops qbi_qb_shm_server;
extern const struct qbi_client_ops qbi_qb_shm_client;
extern const struct qbi_server_ops qbi_qb_socket_server;
extern const struct qbi_client_ops qbi_qb_socket_client;

static const struct qbi_transport transports[] = {
	{
		.name = "shm on libqb's wire",
		.type = QB_IPC_SHM,
		.server = &qbi_qb_shm_server,
		.client = &qbi_qb_shm_client,
	},
	{
		.name = "sockets on libqb's wire",
		.type = QB_IPC_SOCKET,
		.server = &qbi_qb_socket_server,
		.client = &qbi_qb_socket_client,
	},
};

const struct qbi_transport *qbi_transport_nth(size_t index)
{
	return index < QBI_ARRAY_SIZE(transports) ? &transports[index] : NULL;
}

/* QB_IPC_NATIVE means whatever is best on this machine: shared memory. */
static enum qb_ipc_type type_on_wire(enum qb_ipc_type type)
{
	return type == QB_IPC_NATIVE ? QB_IPC_SHM : type;
}

static const struct qbi_transport *transport_find(enum qb_ipc_type type, uint32_t version)
{
	size_t i;

	for (i = 0; i < QBI_ARRAY_SIZE(transports); i++)
		if (transports[i].type == type && transports[i].version <= version)
			return &transports[i];
	return NULL;
}

const struct qbi_transport *qbi_transport_for_service(enum qb_ipc_type type,
						      const struct qbi_hello *hello)
{
	uint32_t version = hello->mark == QBI_WIRE_MARK ? hello->version : 0;

	return transport_find(type_on_wire(type), version);
}

const struct qbi_transport *qbi_transport_for_welcome(const struct qbi_welcome *welcome)
{
	uint32_t version = welcome->mark == QBI_WIRE_MARK ? welcome->version : 0;
	const struct qbi_transport *t =
		transport_find((enum qb_ipc_type)welcome->type, version);

	return t && t->version == version ? t : NULL;
}

bool qbi_transport_has_type(enum qb_ipc_type type)
{
	return transport_find(type_on_wire(type), UINT32_MAX) != NULL;
}
