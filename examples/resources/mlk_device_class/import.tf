import {
  to = mlk_device_class.large
  id = "large-gpu" # name of the DeviceClass
}
