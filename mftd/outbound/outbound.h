/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_OUTBOUND_H
#define MFTD_OUTBOUND_OUTBOUND_H

struct mftd_worker;

/*
 * The process of one queue while it is promoted on this node (the instance is
 * the queue's name).  Raises the epoch as soon as the catalog and the lease let
 * it, takes over what the owner before left, claims what is due, and runs one
 * deliver per delivery.  Once another owner has raised, it ends its delivers
 * and only says so.
 */
void mftd_outbound_main(struct mftd_worker *w);

#endif
