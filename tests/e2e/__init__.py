"""The life of a machine from bare to bare, on lab hosts and on a virtual machine of Vagrant's."""
