package diagnose

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

func (x *examiner) unscheduled(p *corev1.Pod, _ *batchv1.Job) {}
func (x *examiner) startup(p *corev1.Pod, _ *batchv1.Job) bool { return false }
func (x *examiner) notReady(p *corev1.Pod, _ *batchv1.Job)    {}
func (x *examiner) claim(c *corev1.PersistentVolumeClaim)      {}
func finalizerOwner(string) string                             { return "" }
