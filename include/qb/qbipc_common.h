/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file qbipc_common.h
 * What clients and servers share: message headers and transport types.
 */
#ifndef QB_IPC_COMMON_H_DEFINED
#define QB_IPC_COMMON_H_DEFINED

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * First bytes of every message from a client, 16 bytes. Each field starts on
 * a multiple of 8, so that 32-bit and 64-bit processes agree; the bytes between are
 * unused.
 */
struct qb_ipc_request_header {
	/** The application's kind of message; QB_IPC_MSG_USER_START and above. */
	int32_t id __attribute__((aligned(8)));
	/** Bytes of the whole message, this header included. */
	int32_t size __attribute__((aligned(8)));
} __attribute__((aligned(8)));

/** First bytes of every response and event from a server, 24 bytes. */
struct qb_ipc_response_header {
	/** The application's kind of message. */
	int32_t id __attribute__((aligned(8)));
	/** Bytes of the whole message, this header included. */
	int32_t size __attribute__((aligned(8)));
	/** The application's outcome: 0, or a negative errno by custom. */
	int32_t error __attribute__((aligned(8)));
} __attribute__((aligned(8)));

/** How the messages of a service travel. The server chooses. */
enum qb_ipc_type {
	QB_IPC_SOCKET,	 /**< unix sockets, one packet per message or piece of it */
	QB_IPC_SHM,	 /**< rings in shared memory */
	QB_IPC_POSIX_MQ, /**< not supported: qb_ipcs_run() says -ENOTSUP */
	QB_IPC_SYSV_MQ,	 /**< not supported: qb_ipcs_run() says -ENOTSUP */
	QB_IPC_NATIVE	 /**< the best one here: shared memory */
};

/*
 * Message ids. Those of applications start at QB_IPC_MSG_USER_START; negative ones
 * belong to the protocol.
 */
#define QB_IPC_MSG_NEW_MESSAGE 0
#define QB_IPC_MSG_USER_START QB_IPC_MSG_NEW_MESSAGE
#define QB_IPC_MSG_AUTHENTICATE -1
#define QB_IPC_MSG_NEW_EVENT_SOCK -2
#define QB_IPC_MSG_DISCONNECT -3

#ifdef __cplusplus
}
#endif

#endif
