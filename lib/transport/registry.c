/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/registry.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <qbipc/snapshot.h>

#include "base/file.h"
#include "base/once.h"
#include "base/util.h"

/* The only list of transports. A transport exports nothing but its two tables. */
extern const struct qbi_server_ops qbi_native_shm_server;
extern const struct qbi_client_ops qbi_native_shm_client;
extern const struct qbi_server_ops qbi_native_socket_server;
extern const struct qbi_client_ops qbi_native_socket_client;
extern const struct qbi_server_ops qbi_qb_shm_server;
extern const struct qbi_client_ops qbi_qb_shm_client;
extern const struct qbi_server_ops qbi_qb_socket_server;
extern const struct qbi_client_ops qbi_qb_socket_client;

/* The version of the native wire that is spoken here: docs/protocol.md. */
#define NATIVE_VERSION 1

static const struct qbi_transport transports[] = {
	{
		.name = "native shm",
		.type = QB_IPC_SHM,
		.version = NATIVE_VERSION,
		.server = &qbi_native_shm_server,
		.client = &qbi_native_shm_client,
	},
	{
		.name = "native socket",
		.type = QB_IPC_SOCKET,
		.version = NATIVE_VERSION,
		.server = &qbi_native_socket_server,
		.client = &qbi_native_socket_client,
	},
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

/* QB_IPC_NATIVE means the best transport of this machine: shared memory. */
static enum qb_ipc_type type_on_wire(enum qb_ipc_type type)
{
	return type == QB_IPC_NATIVE ? QB_IPC_SHM : type;
}

enum native_setting {
	NATIVE_ON,
	NATIVE_OFF,
	NATIVE_LACKS_OVERCOMMIT,
};

static struct qbi_once once;
static _Atomic(enum native_setting) native_setting = NATIVE_ON;

/* Where /proc cannot be read: no, which is what nearly all systems say. */
static bool overcommit_is_forbidden(void)
{
	char text[8];

	return qbi_file_text("/proc/sys/vm/overcommit_memory", text, sizeof(text)) == 0 &&
	       text[0] == '2';
}

static void native_setting_read(void)
{
	const char *text = getenv("QBIPC_NATIVE");

	if (text && strcmp(text, "0") == 0)
		native_setting = NATIVE_OFF;
	else if (!(text && strcmp(text, "1") == 0) && overcommit_is_forbidden())
		native_setting = NATIVE_LACKS_OVERCOMMIT;
}

void qbi_transport_native_set(bool on)
{
	qbi_once_run(&once, native_setting_read);
	native_setting = on ? NATIVE_ON : NATIVE_OFF;
}

uint8_t qbi_transport_why_not_native(uint8_t off)
{
	qbi_once_run(&once, native_setting_read);
	return native_setting == NATIVE_LACKS_OVERCOMMIT ? QBIPC_WHY_OVERCOMMIT : off;
}

uint32_t qbi_transport_version(void)
{
	qbi_once_run(&once, native_setting_read);
	return native_setting == NATIVE_ON ? NATIVE_VERSION : 0;
}

/* The version that both ends support; a peer without the mark has only libqb's wire. */
static uint32_t version_common(uint32_t mark, uint32_t version)
{
	uint32_t ours = qbi_transport_version();

	if (mark != QBI_WIRE_MARK)
		return 0;
	return version < ours ? version : ours;
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
						      const struct qbi_hello *hello,
						      bool native)
{
	uint32_t version = native ? version_common(hello->mark, hello->version) : 0;

	return transport_find(type_on_wire(type), version);
}

const struct qbi_transport *qbi_transport_for_welcome(const struct qbi_welcome *welcome)
{
	uint32_t version = welcome->mark == QBI_WIRE_MARK ? welcome->version : 0;
	const struct qbi_transport *t;

	/* An answer with a higher version than we offered is invalid. */
	if (version > qbi_transport_version())
		return NULL;
	t = transport_find((enum qb_ipc_type)welcome->type, version);
	return t && t->version == version ? t : NULL;
}

bool qbi_transport_has_type(enum qb_ipc_type type)
{
	return transport_find(type_on_wire(type), UINT32_MAX) != NULL;
}
