/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_AUTH_H
#define MFTD_INBOUND_AUTH_H

struct mftd_worker;

/*
 * The process that knows the accounts' secrets and decides who is let in.
 * Sessions ask it over a channel each; who may enter gets channels to journal
 * and coordinator, which learned from auth whose they are.
 */
void mftd_auth_main(struct mftd_worker *w);

#endif
