/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that two processors share, with a store buffer each (total store order, as on
 * x86): a plain store is seen by the other one at any later time, but in order; an
 * atomic read-modify-write waits until the own buffer is empty. No process here loads a
 * word that it stores plainly, so nothing is forwarded out of a buffer.
 *
 * The including file defines WORDS.
 */
#define PRODUCER 0
#define CONSUMER 1

byte mem[WORDS];
chan buffer[2] = [2] of { byte, byte };		/* word, value */

inline store(cpu, word, value)
{
	buffer[cpu]!word, value
}

inline exchange(cpu, word, value, old)
{
	atomic {
		empty(buffer[cpu]) ->
		old = mem[word];
		mem[word] = value
	}
}

/* The first two processes, so that _pid is the processor. */
active [2] proctype store_buffer()
{
	byte word, value;

end:	do
	:: atomic {
		buffer[_pid]?word, value ->
		mem[word] = value;
		word = 0;
		value = 0
	   }
	od
}
