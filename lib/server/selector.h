/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a message to the function that takes it: <qbipc/handlers.h> tells the rules.
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

struct qb_ipcs_connection;
struct qbi_selector;

/*
 * A handler of the application's, in memory that is as long as its size says, as we know
 * it. 0; -EINVAL it is too short to have a function; -E2BIG.
 */
int qbi_selector_handler_take(struct qbipc_handler *ours, const struct qbipc_handler *theirs);

struct qbi_selector *qbi_selector_new(void);
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
 * Give the message to whom it belongs, by the selector of the connection's service. 0 go
 * on, QBI_FULL the application wants no more now, -errno drop the client.
 */
int qbi_selector_dispatch(struct qb_ipcs_connection *c, void *data, size_t size);

#endif
