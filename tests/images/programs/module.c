/* The object of a kernel module: what a scanner reads is its .modinfo section. */
#define INFO(tag, text) \
    static const char tag[] __attribute__((used, section(".modinfo"), aligned(1))) = #tag "=" text

INFO(license, "GPL");
INFO(description, "stand-in for a kernel module");
INFO(name, MODULE_NAME);
INFO(intree, "Y");
INFO(retpoline, "Y");
INFO(vermagic, "6.18.4 SMP preempt mod_unload");

int init_module(void)
{
    return 0;
}

void cleanup_module(void)
{
}
