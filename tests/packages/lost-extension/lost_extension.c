/* Its extension is optional, so the backend only warns of this: */
#include <no_such_library.h>
