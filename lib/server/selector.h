/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the handler of a message, by the rules of <qbipc/handlers.h>. request.c answers
 * messages that are refused.
 *
 * Owner: the service. It has no selector until the application registers a handler; without
 * one msg_process gets every message.
 * Threads: as the service.
 * Trust: messages were copied and their headers checked before. All refusals are made in one
 * place; a client that floods the service with refused messages makes it use no memory and
 * write few log lines.
 */
#ifndef QBI_SERVER_SELECTOR_H
#define QBI_SERVER_SELECTOR_H

#include <qbipc/handlers.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct qbi_selector;

/*
 * Copy a handler of the application, whose struct may have another size (base/sized.h). 0;
 * -EINVAL it is too short to have a function; -E2BIG.
 */
int qbi_selector_handler_take(struct qbipc_handler *ours, const struct qbipc_handler *theirs);

/* The handler chosen for a message. */
struct qbi_selector_choice {
	const struct qbipc_handler *handler; /* NULL: there is none */
	struct qbi_selector_handler *known;  /* its entry; NULL: it is not registered */
	struct qbipc_handler own;	     /* copy of the application's struct */
};

/* @service: the name of the service, not copied. NULL without memory. */
struct qbi_selector *qbi_selector_new(const char *service);
void qbi_selector_free(struct qbi_selector *sel);

/* Register all of @table, which was checked, or none of it. 0, -EEXIST, -ENOMEM. */
int qbi_selector_register(struct qbi_selector *sel, const struct qbipc_handler *table,
			  size_t n);
void qbi_selector_pick_set(struct qbi_selector *sel, qbipc_selector_fn fn, void *data);
void qbi_selector_refuse_set(struct qbi_selector *sel, qbipc_refuse_fn fn, void *data);

/* NULL: no handler is registered for @id. */
const struct qbipc_handler *qbi_selector_find(struct qbi_selector *sel, int32_t id);

/*
 * The registered handlers in the order of their ids: how many there are; the index of the
 * first one with an id of at least @id; one by its index, NULL behind the last.
 */
size_t qbi_selector_count(const struct qbi_selector *sel);
size_t qbi_selector_from(const struct qbi_selector *sel, int32_t id);
const struct qbipc_handler *qbi_selector_nth(const struct qbi_selector *sel, size_t i);

/* Is there a function of the application that is asked first? */
bool qbi_selector_picks(const struct qbi_selector *sel);

/* Fill in all counts; the caller sets the size. 0, -ENOENT. */
int qbi_selector_handler_stats(struct qbi_selector *sel, int32_t id,
			       struct qbipc_handler_stats *ret);
void qbi_selector_refusals(struct qbi_selector *sel, struct qbipc_message_refusals *ret);

/*
 * Ask the selector function of the application: a handler, or NULL. This function and
 * qbi_selector_call() only pass @c on; the application may have ended it when they return.
 */
const struct qbipc_handler *qbi_selector_ask(struct qbi_selector *sel, qb_ipcs_connection_t *c,
					     const struct qb_ipc_request_header *message,
					     size_t size);

/* Use @picked, which may be a registered handler or not; NULL: the handler of @id. */
void qbi_selector_choose(struct qbi_selector *sel, const struct qbipc_handler *picked,
			 int32_t id, struct qbi_selector_choice *ret);

/*
 * Call the handler of a message with @deadline (0: none). 0; QBI_FULL the application takes
 * no more now. To be refused: -ENOSYS there is no handler; -EBADMSG the message is too short;
 * -ETIMEDOUT and -ECANCELED nobody waits for it, and the handler does not want it then.
 */
int qbi_selector_call(const struct qbi_selector_choice *choice, qb_ipcs_connection_t *c,
		      void *data, size_t size, uint64_t deadline);

/* Count and log a message of @id that is refused with @error. Returns what has to be done. */
enum qbipc_refuse qbi_selector_refuse(struct qbi_selector *sel, qb_ipcs_connection_t *c,
				      const struct ucred *peer,
				      const struct qb_ipc_request_header *message, int32_t id,
				      size_t size, int error);

/* A refused message has been answered. */
void qbi_selector_answered(struct qbi_selector *sel);

#endif
