/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a message to the function that takes it: <qbipc/handlers.h> tells the rules. What is
 * refused is answered by dispatch.c.
 *
 * Owner: the service, which has none until the application asks for one; without one
 * msg_process gets everything.
 * Threads: the service's.
 * Trust: messages have been copied and their headers checked; what they ask for is
 * refused in one place, and that costs a client's flood of it no memory and few lines of
 * the log.
 */
#ifndef QBI_SERVER_SELECTOR_H
#define QBI_SERVER_SELECTOR_H

#include <qbipc/handlers.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct qbi_selector;

/*
 * A handler of the application's, in memory that is as long as its size says, as we know
 * it. 0; -EINVAL it is too short to have a function; -E2BIG.
 */
int qbi_selector_handler_take(struct qbipc_handler *ours, const struct qbipc_handler *theirs);

/* The handler chosen for a message. */
struct qbi_selector_choice {
	const struct qbipc_handler *handler; /* NULL: nobody */
	struct qbi_selector_handler *known;  /* its entry; NULL: it is not registered */
	struct qbipc_handler own;	     /* the application's, as we know it */
};

/* @service: its name, borrowed. NULL without memory. */
struct qbi_selector *qbi_selector_new(const char *service);
void qbi_selector_free(struct qbi_selector *sel);

/* All of @table, which has been checked, or none. 0, -EEXIST, -ENOMEM. */
int qbi_selector_register(struct qbi_selector *sel, const struct qbipc_handler *table,
			  size_t n);
void qbi_selector_pick_set(struct qbi_selector *sel, qbipc_selector_fn fn, void *data);
void qbi_selector_refuse_set(struct qbi_selector *sel, qbipc_refuse_fn fn, void *data);

/* NULL: none is registered. */
const struct qbipc_handler *qbi_selector_find(struct qbi_selector *sel, int32_t id);

/* Fill all; the size is left to the caller. 0, -ENOENT. */
int qbi_selector_handler_stats(struct qbi_selector *sel, int32_t id,
			       struct qbipc_handler_stats *ret);
void qbi_selector_refusals(struct qbi_selector *sel, struct qbipc_message_refusals *ret);

/*
 * Ask the application's selector: a handler, or NULL. Anything may have happened to the
 * connection, which is only passed on, in this and the next but one.
 */
const struct qbipc_handler *qbi_selector_ask(struct qbi_selector *sel, qb_ipcs_connection_t *c,
					     const struct qb_ipc_request_header *message,
					     size_t size);

/* What was @picked, which may be a handler of ours or not; NULL: the one for @id. */
void qbi_selector_choose(struct qbi_selector *sel, const struct qbipc_handler *picked,
			 int32_t id, struct qbi_selector_choice *ret);

/*
 * Give it the message. 0, QBI_FULL the application wants no more now; -ENOSYS nobody takes
 * it, -EBADMSG it is too short: then refuse it.
 */
int qbi_selector_call(const struct qbi_selector_choice *choice, qb_ipcs_connection_t *c,
		      void *data, size_t size);

/* Count a message that is refused with @error, log it, and say what is to be done. */
enum qbipc_refuse qbi_selector_refuse(struct qbi_selector *sel, qb_ipcs_connection_t *c,
				      const struct ucred *peer,
				      const struct qb_ipc_request_header *message, size_t size,
				      int error);

/* A refused message has been answered. */
void qbi_selector_answered(struct qbi_selector *sel);

#endif
