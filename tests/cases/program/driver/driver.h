/* What the main program of the cases offers to their libraries. */
#ifndef DRIVER_H
#define DRIVER_H

#ifdef __cplusplus
extern "C" {
#endif

/* "driver" */
const char *driver_name(void);

/* Prints a line through the main program's own call of printf. */
void driver_say(const char *text);

/* The addresses of C library functions as the main program sees them. */
int (*driver_puts(void))(const char *);
__SIZE_TYPE__ (*driver_strlen(void))(const char *);

/* errno as the main program sees it. */
int driver_errno(void);

/* Calls a function of a library from the main program. */
int driver_call(int (*function)(int), int argument);

#ifdef __cplusplus
}
#endif

#endif
