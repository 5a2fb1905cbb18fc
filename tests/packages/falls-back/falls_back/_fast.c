/* Its setup.py goes on without it: */
#include <no_such_library.h>
