"""The old shape after the switch: views that read through the inverse mapping and write through the forward one."""
