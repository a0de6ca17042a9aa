/* The face that libFuzzer calls. */

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const guint8 *bytes, gsize len);

int LLVMFuzzerTestOneInput(const guint8 *bytes, gsize len)
{
    (void)fuzz_target(bytes, len); /* the verdict is for the replay; here only a crash counts */
    return 0;
}
