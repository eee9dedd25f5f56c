/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes pages out of shared memory, for all processes that map it.
 *
 * The kernel does so under the lock of the file and walks through all mappings of it. A
 * client holds that lock while it writes to the file, for as long as its source of bytes
 * makes it wait; and it may have mapped the file hundreds of thousands of times, or punch it
 * itself all the time. The call waits for all this, but without a lock of this process. Not
 * so munmap(2): it waits for the walk of anybody who punches, and then no other thread of
 * this process can map memory. So the time that the call took says whether to unmap now.
 *
 * Threads: any.
 */
#ifndef QBI_RING_PUNCH_H
#define QBI_RING_PUNCH_H

#include <stdint.h>

/*
 * Release the whole pages of [@from, @to), offsets in @memory of @size bytes that begins on a
 * page; a last page that is not whole belongs to them. Errors are ignored. 0; QBI_AGAIN it
 * took longer than it does by itself.
 */
int qbi_punch(void *memory, uint64_t size, uint64_t from, uint64_t to);

#endif
