# name of the DeviceClass
terraform import mlk_device_class.large large-gpu
