/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_LOCK_H
#define MFTD_BASE_LOCK_H

/*
 * Locks that prove life: open file description locks (fcntl(2), F_OFD_SETLK)
 * over a whole file.  Forked children inherit one; it is free when the last of
 * them is gone.  Unlike with flock(2), one can ask without taking it.  A lock
 * for reading, which keeps ours out, needs only a descriptor to read: so the
 * files are their owner's alone (0600), and one that is not becomes so.
 */

/* Opens path (made when missing) and takes the lock.  Returns the descriptor;
 * -EAGAIN when somebody has it; -errno. */
int mftd_lock_take(const char *path);

/* 1: somebody has the lock; 0: nobody, or no such file; -errno.  For the
 * file's owner and root. */
int mftd_lock_held(const char *path);

/* Replaces the file's text (a word for people and agents), by the holder, in
 * place: an agent that reads meanwhile never finds it empty, and a file system
 * that is full has room for it. */
int mftd_lock_write(int fd, const char *text);

#endif
